//! A run's point on the grid: the fields that were set, as tables and files have them.

use toml::Value;

/// A point as an object: fields and values.
pub(super) fn as_map<S: serde::Serializer>(
    point: &[(String, Value)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(point.iter().map(|(field, value)| (field, value)))
}

/// The fields of `points`, in the order of their first occurrence; the seed is not one of them.
pub(super) fn axes<'a>(points: impl Iterator<Item = &'a [(String, Value)]>) -> Vec<&'a str> {
    let mut axes: Vec<&str> = Vec::new();
    for (field, _) in points.flatten() {
        if field != "seed" && !axes.contains(&field.as_str()) {
            axes.push(field);
        }
    }
    axes
}

/// What `point` has at `axis`, as a cell of a table.
pub(super) fn cell(point: &[(String, Value)], axis: &str) -> String {
    match point.iter().find(|(field, _)| field == axis) {
        None => String::new(),
        Some((_, Value::String(text))) => text.clone(),
        Some((_, value)) => value.to_string(),
    }
}
