//! The sources of a run, loaded.

use super::component::Component;
use super::kind::Loaded;
use super::splits::SourceSplits;
use crate::data::Library;
use crate::error::{Error, Result};

/// Loads the sources of a run. `sizes`, input_dim and label slots, are those of a model that is there already; absent, the
/// sources decide: their common `input_dim`, and the largest number of classes. Where two have one name, the later
/// one is called by its seed or file, or else by its place in the configuration.
///
/// # Errors
/// Data that is missing or cannot be read; [`Error::Config`] naming the field of a source that does not fit.
pub fn load_sources(
    components: &[Component],
    sizes: Option<(usize, usize)>,
    library: &Library,
) -> Result<Vec<SourceSplits>> {
    let loaded = components.iter().map(|it| it.source.load(library).map_err(|error| it.blame(error)));
    let loaded: Vec<Loaded> = loaded.collect::<Result<_>>()?;
    let (input_dim, classes) = match sizes {
        Some((input_dim, classes)) => (Some(input_dim), classes),
        None => (None, loaded.iter().map(|it| it.classes).max().unwrap_or_default()),
    };
    let mut all: Vec<SourceSplits> = Vec::new();
    for (component, Loaded { name, make, .. }) in components.iter().zip(loaded) {
        let taken = |name: &String| all.iter().any(|splits| splits.train.name() == name);
        let longer = component.source.long_name();
        let name = [name, longer.clone()].into_iter().find(|name| !taken(name));
        let name = name.unwrap_or_else(|| format!("{longer} ({})", component.place.trim_end_matches('.')));
        let splits = make(&name, input_dim, classes).map_err(|error| component.blame(error))?;
        let (length, first) = (splits.train.input_dim(), all.first().map(|first| first.train.input_dim()));
        if let Some(first) = first.filter(|&first| first != length) {
            let problem = format!("inputs have {length} numbers, those of mix[0] {first}");
            let field = format!("{}.input_dim", component.source.table());
            let fix = format!("give all sources the same {field}");
            return Err(component.blame(Error::config(field, problem, fix)));
        }
        all.push(SourceSplits { place: component.place.clone(), weight: component.weight, ..splits });
    }
    Ok(all)
}
