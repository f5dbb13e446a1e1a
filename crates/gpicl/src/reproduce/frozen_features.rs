//! Meta-training on features of a frozen network instead of pixels (paper, section 4.4).
//!
//! The features are files (`data.name = "safetensors"` or `"npy"`); `gpicl data embed` makes them with a pretrained
//! network. No such network comes with the program. At cpu scale, in its place, stand the features of a network with
//! random weights, `relu(W x)`: they tell whether meta-training works on features of a frozen network, not what
//! pretraining adds.

use std::path::Path;

use super::interventions::Group;
use super::runs::{Run, table};
use super::verdict::Check;
use super::{Made, Picture};
use crate::data::{DataConfig, Dataset, InputShape, Splits, write_features};
use crate::error::{Error, Result};
use crate::eval::{LearningCurve, OutcomeRule};
use crate::tasks::random_matrix;

/// What a path begins with that stands for random features of the data set named after it.
pub(super) const RANDOM: &str = "random-features:";
/// Random features of an input.
const FEATURES: usize = 256;

/// Writes the random features of the data set `name` to `path`, if they are not there.
pub(super) fn write_random(name: &str, path: &Path, data_dir: Option<&Path>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let Splits { train, test } = DataConfig::from_spec(name)?.load(data_dir)?;
    write_features(path, &Splits { train: random_features(&train)?, test: random_features(&test)? })
}

/// `relu(W x)` with entries of `W` `[256, N_x]` from `N(0, 1/N_x)`, always the same ones.
fn random_features(data: &Dataset) -> Result<Dataset> {
    let mut features = vec![0.0; FEATURES * data.len()];
    let rows = (0..data.len()).map(|at| data.input(at));
    random_matrix(0, 0, FEATURES, data.dim()).project(rows, data.grid(), &mut features);
    for value in &mut features {
        *value = value.max(0.0);
    }
    Dataset::new(
        data.name(),
        InputShape::Vector(FEATURES),
        features,
        data.labels().to_vec(),
        data.class_names().to_vec(),
    )
}

/// Learning curves on unseen tasks, of pixels and of features.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let mut curves: Vec<LearningCurve> = Vec::new();
    for group in &groups {
        let sets = group.first().curves.iter().filter(|curve| curve.label.starts_with("unseen"));
        for set in sets.map(|curve| &curve.label) {
            let of = |run: &&Run| run.curves.iter().find(|curve| curve.label == *set).cloned();
            let mut curve = LearningCurve::together(&group.runs.iter().filter_map(of).collect::<Vec<_>>())?;
            curve.label = format!("{}: {}", group.name, set.trim_start_matches("unseen tasks, "));
            curves.push(curve);
        }
    }
    Ok(Made {
        tables: vec![("", table(runs))],
        checks: checks(&groups),
        picture: Picture::Curves {
            title: "Unseen tasks, made of pixels and of frozen features".into(),
            chance: runs[0].chance,
            curves,
        },
    })
}

fn checks(groups: &[Group<'_>]) -> Vec<Check> {
    let rise = OutcomeRule::default().rise;
    let learns = groups.iter().filter(|group| is_features(group)).map(|group| {
        let (first, last) =
            (group.mean(|run| run.unseen.first.mean), group.mean(|run| run.unseen.last_10.mean));
        Check::new(
            &format!("Meta-training on features of a frozen network learns to learn ({}).", group.name),
            format!(
                "mean accuracy on unseen tasks over the last 10 positions is at least {rise} above the first"
            ),
            format!("{first:.2} to {last:.2}"),
            Some(last >= first + rise),
        )
    });
    let mut checks: Vec<Check> = learns.collect();
    checks.push(pretraining_helps(groups));
    checks
}

fn is_features(group: &Group<'_>) -> bool {
    matches!(group.first().config.data.name.as_str(), "safetensors" | "npy" | "npz")
}

/// Features that were made here are random.
fn is_pretrained(group: &Group<'_>) -> bool {
    let path = group.first().config.data.path.as_deref().unwrap_or(Path::new(""));
    is_features(group) && !path.components().any(|part| part.as_os_str() == FOLDER)
}

/// Folder of the features that are made here.
pub(super) const FOLDER: &str = "random-features";

fn pretraining_helps(groups: &[Group<'_>]) -> Check {
    let paper = "With features of a pretrained network the learner generalises further, to data sets that pixels do not \
        reach.";
    let rule = "on the last unseen data set, mean accuracy over the last 10 positions is at least 0.05 higher for \
        pretrained features than for pixels";
    let last = |group: &Group<'_>| {
        group.mean(|run| run.curves.last().map_or(f64::NAN, |curve| curve.summary().last_10.mean))
    };
    let pixels = groups.iter().find(|group| !is_features(group));
    match (pixels, groups.iter().find(|group| is_pretrained(group))) {
        (Some(pixels), Some(features)) => {
            let (without, with) = (last(pixels), last(features));
            let found = format!("{}: {with:.2}, {}: {without:.2}", features.name, pixels.name);
            Check::new(paper, rule, found, Some(with >= without + 0.05))
        }
        _ => Check::new(paper, rule, "there are no runs on pretrained features and on pixels", None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    #[test]
    fn random_features_are_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FOLDER).join("glyphs.safetensors");
        write_random("glyphs", &path, None).unwrap();
        let first = std::fs::read(&path).unwrap();
        write_random("glyphs", &path, None).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let config = DataConfig { name: "safetensors".into(), path: Some(path), ..DataConfig::default() };
        let Splits { train, test } = config.load(None).unwrap();
        assert_eq!((train.dim(), test.dim(), train.num_classes()), (FEATURES, FEATURES, 10));
    }

    #[test]
    fn pretrained_features_that_help_are_recognised_and_random_ones_cannot_tell() {
        let pixels = || toy::run("pixels", &[], (0.1, 0.8), (0.1, 0.5));
        let features = |path: &str, unseen: f64| {
            let data = format!("data={{ name = 'safetensors', path = '{path}' }}");
            toy::run("features", &[&data], (0.1, 0.8), (0.1, unseen))
        };
        let holds =
            |runs: &[Run]| make(runs).unwrap().checks.iter().map(|check| check.holds).collect::<Vec<_>>();
        assert_eq!(holds(&[pixels(), features("resnet.safetensors", 0.7)]), [Some(true), Some(true)]);
        assert_eq!(holds(&[pixels(), features("resnet.safetensors", 0.12)]), [Some(false), Some(false)]);
        assert_eq!(holds(&[pixels(), features("o/random-features/g.safetensors", 0.7)]), [Some(true), None]);
    }
}
