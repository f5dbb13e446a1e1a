//! A data set in memory, and every way to get one.
//!
//! A new format is one file with a `read` function plus one line in [`sources::SOURCES`].

mod archive;
mod array;
mod cells;
mod checksum;
mod cifar;
pub mod columns;
mod config;
mod csv;
mod description;
mod embed;
#[cfg(feature = "download")]
pub mod fetch;
mod fingerprint;
mod glyphs;
mod idx;
mod images;
mod labels;
mod library;
mod load;
mod mat;
mod npy;
mod omniglot;
#[cfg(feature = "parquet")]
mod parquet;
mod picture;
mod random;
mod raw;
mod safetensors;
pub mod scale;
mod sheet;
pub mod sources;
mod svhn;
pub mod table;
pub mod transform;
mod units;
mod validation;
mod web_page;

use std::fmt;
use std::sync::{Arc, OnceLock};

use gpicl_ops::cpu::project::{Grid, OnGrid, RandomMatrix};
use serde::{Deserialize, Serialize};

pub use cells::Delimiter;
pub use checksum::hex;
pub use config::{DataConfig, PreparedLayout, data_dir};
pub use description::{Description, Origin};
pub use embed::{EmbedConfig, IMAGENET, check_embed, embed};
pub use fingerprint::{Fingerprint, Fingerprints};
pub use library::Library;
pub use picture::Background;
pub use safetensors::write_features;
pub use sheet::contact_sheet;
pub use transform::{Color, Normalize};

use crate::error::{Error, Result};

/// What the numbers of one input stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputShape {
    /// Pixels, row by row, channels innermost.
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// 1 for grey, 3 for colour.
        channels: usize,
    },
    /// Features without a spatial order.
    Vector(usize),
}

impl InputShape {
    /// Numbers in one input, `N_x`.
    pub fn dim(self) -> usize {
        match self {
            Self::Image { height, width, channels } => height * width * channels,
            Self::Vector(dim) => dim,
        }
    }
}

/// `14x14 grey`, `32x32 colour`, `196 numbers`.
impl fmt::Display for InputShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Image { height, width, channels: 1 } => write!(f, "{height}x{width} grey"),
            Self::Image { height, width, channels: 3 } => write!(f, "{height}x{width} colour"),
            Self::Image { height, width, channels } => write!(f, "{height}x{width} of {channels} channels"),
            Self::Vector(dim) => write!(f, "{dim} numbers"),
        }
    }
}

/// Labelled inputs: what tasks are made of. Two are equal if tasks over them, and names, are.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    shape: InputShape,
    inputs: Vec<f32>,
    /// The inputs before they were rounded, where their source has more digits; until they are normalised.
    exact: Option<Vec<f64>>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    grid: Option<Grid>,
    /// The inputs as digits, once they were projected.
    on_grid: OnceLock<Option<OnGrid>>,
    description: Option<Arc<Description>>,
    fingerprint: OnceLock<String>,
}

// What is only said of a data set, or was computed of it already, makes no difference.
impl PartialEq for Dataset {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.shape, self.grid) == (&other.name, other.shape, other.grid)
            && self.inputs == other.inputs
            && self.labels == other.labels
            && self.class_names == other.class_names
    }
}

impl Dataset {
    /// From `inputs` `[n, N_x]`, row-major, and `labels` `[n]`.
    ///
    /// # Errors
    /// [`Error::Argument`] if sizes disagree, a label has no class, or an input is not finite.
    pub fn new(
        name: impl Into<String>,
        shape: InputShape,
        inputs: Vec<f32>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<Self> {
        let (name, dim) = (name.into(), shape.dim());
        let fail = |problem: String| Err(Error::argument("data set", format!("{name}: {problem}")));
        if dim == 0 || inputs.len() != labels.len() * dim {
            return fail(format!("{} numbers for {} labels of {dim} each", inputs.len(), labels.len()));
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= class_names.len()) {
            return fail(format!("label {label} with {} classes", class_names.len()));
        }
        if let Some(at) = inputs.iter().position(|value| !value.is_finite()) {
            return fail(format!("input {} holds {}", at / dim, inputs[at]));
        }
        let grid = Grid::of(&inputs);
        Ok(Self {
            name,
            shape,
            inputs,
            exact: None,
            labels,
            class_names,
            grid,
            on_grid: OnceLock::new(),
            description: None,
            fingerprint: OnceLock::new(),
        })
    }

    /// [`Dataset::new`] of numbers in double precision, which normalisation sees; those beyond single precision are its
    /// largest.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub(crate) fn exact(
        name: impl Into<String>,
        shape: InputShape,
        inputs: Vec<f64>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<Self> {
        let rounded = inputs.iter().map(|&x| transform::round(x)).collect();
        Ok(Self { exact: Some(inputs), ..Self::new(name, shape, rounded, labels, class_names)? })
    }

    /// Name, for tables and plots.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What one input is.
    pub fn shape(&self) -> InputShape {
        self.shape
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Numbers in one input, `N_x`.
    pub fn dim(&self) -> usize {
        self.shape.dim()
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.class_names.len()
    }

    /// The classes' names, by label.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// All inputs, `[n, N_x]` row-major.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// Input `i`, `[N_x]`.
    pub fn input(&self, i: usize) -> &[f32] {
        &self.inputs[i * self.dim()..(i + 1) * self.dim()]
    }

    /// All labels, `[n]`.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Label of example `i`.
    pub fn label(&self, i: usize) -> u32 {
        self.labels[i]
    }

    /// What it is, and of which source; `None` of one that was not loaded by a configuration.
    pub fn description(&self) -> Option<&Description> {
        self.description.as_deref()
    }

    fn described(self, description: Arc<Description>) -> Self {
        Self { description: Some(description), ..self }
    }

    /// SHA-256 of what episodes are made of: shape, inputs, labels, number of classes. Computed once.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| checksum::fingerprint(self))
    }

    /// The examples at `indices`, in that order.
    pub fn subset(&self, indices: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            shape: self.shape,
            inputs: indices.iter().flat_map(|&i| self.input(i).iter().copied()).collect(),
            exact: self.exact.as_ref().map(|exact| {
                let row = |&i: &usize| exact[i * self.dim()..(i + 1) * self.dim()].iter().copied();
                indices.iter().flat_map(row).collect()
            }),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            class_names: self.class_names.clone(),
            grid: self.grid,
            on_grid: OnceLock::new(),
            description: None,
            fingerprint: OnceLock::new(),
        }
    }

    /// The levels on which all inputs lie, if there are at most 256, as of images of bytes.
    pub fn grid(&self) -> Option<Grid> {
        self.grid
    }

    /// `A` times the inputs at `chosen`, to `out` `[chosen, out_dim]`; without rounding them where they lie on a grid, whose
    /// digits are made once, a byte beside every number's four.
    ///
    /// # Panics
    /// If the sizes disagree.
    pub fn project(&self, matrix: &RandomMatrix, chosen: &[usize], out: &mut [f32]) {
        match self.on_grid.get_or_init(|| Some(OnGrid::new(self.grid?, &self.inputs))) {
            Some(on_grid) => matrix.project_on_grid(on_grid, chosen, out),
            None => matrix.project(chosen.iter().map(|&i| self.input(i)), out),
        }
    }

    pub(crate) fn update_inputs(&mut self, update: impl FnOnce(&mut [f32])) {
        update(&mut self.inputs);
        self.exact = None;
        self.fingerprint = OnceLock::new();
        (self.grid, self.on_grid) = (Grid::of(&self.inputs), OnceLock::new());
    }
}

/// The two splits that a source has, with the same classes and the same preparation. [`Library::splits`] takes a validation
/// split out of the first.
#[derive(Clone, Debug)]
pub struct Splits {
    /// For meta-training.
    pub train: Dataset,
    /// Held out, for meta-tests.
    pub test: Dataset,
}

/// Which split; in the order of [`Library::splits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For meta-training.
    Train,
    /// Held out of the training split, for choices: of presets, of settings, of a step to stop at.
    Validation,
    /// Held out.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
    /// Those that meta-training never sees.
    pub const HELD_OUT: [Self; 2] = [Self::Validation, Self::Test];

    /// The one of `splits` that is called `name`.
    ///
    /// # Errors
    /// [`Error::Argument`] that lists the names.
    pub fn among(splits: &[Self], name: &str) -> Result<Self> {
        splits.iter().copied().find(|split| split.name() == name).ok_or_else(|| {
            let names: Vec<&str> = splits.iter().map(|split| split.name()).collect();
            Error::argument("split", format!("`{name}` is none; choose one of {}", names.join(", ")))
        })
    }

    /// `train`, `validation`, `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_found_by_its_name() {
        for split in Split::ALL {
            assert_eq!(Split::among(&Split::ALL, split.name()).unwrap(), split);
        }
        let error = Split::among(&Split::HELD_OUT, "train").unwrap_err().to_string();
        assert_eq!(error, "split: `train` is none; choose one of validation, test");
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    #[test]
    fn a_data_set_checks_sizes_labels_and_finiteness() {
        let make = |inputs: Vec<f32>, labels: Vec<u32>| {
            Dataset::new("toy", InputShape::Vector(2), inputs, labels, names(2))
        };
        assert!(make(vec![0.0; 4], vec![0, 1]).is_ok());
        let error = |inputs, labels| make(inputs, labels).unwrap_err().to_string();
        assert!(error(vec![0.0; 3], vec![0, 1]).contains("3 numbers for 2 labels"));
        assert!(error(vec![0.0; 4], vec![0, 2]).contains("label 2 with 2 classes"));
        assert!(error(vec![0.0, 0.0, f32::NAN, 0.0], vec![0, 1]).contains("input 1 holds NaN"));
    }

    #[test]
    fn a_fingerprint_is_of_all_that_episodes_are_made_of() {
        let make = |shape, inputs: Vec<f32>, labels: Vec<u32>, classes| {
            Dataset::new("toy", shape, inputs, labels, names(classes)).unwrap()
        };
        let vector = InputShape::Vector(4);
        let image = InputShape::Image { height: 2, width: 2, channels: 1 };
        let inputs = vec![0.0, 1.0, 2.0, 3.0];
        let one = make(vector, inputs.clone(), vec![0], 2);
        assert!(one.fingerprint().len() == 64 && one.fingerprint() == one.clone().fingerprint());
        for other in [
            make(image, inputs.clone(), vec![0], 2),
            make(vector, vec![0.0, 1.0, 2.0, 3.5], vec![0], 2),
            make(vector, inputs.clone(), vec![1], 2),
            make(vector, inputs.clone(), vec![0], 3),
            one.subset(&[0, 0]),
        ] {
            assert_ne!(one.fingerprint(), other.fingerprint(), "{other:?}");
        }
        let mut changed = one.clone();
        changed.update_inputs(|inputs| inputs[0] = 9.0);
        assert_ne!(one.fingerprint(), changed.fingerprint());
        assert_eq!(one, make(vector, inputs, vec![0], 2), "a computed one makes no difference");
    }

    #[test]
    fn a_subset_keeps_order_and_classes() {
        let inputs = (0..6).map(|i| i as f32).collect();
        let data = Dataset::new("toy", InputShape::Vector(2), inputs, vec![0, 1, 0], names(2)).unwrap();
        let subset = data.subset(&[2, 0]);
        assert_eq!((subset.inputs(), subset.labels()), (&[4.0, 5.0, 0.0, 1.0][..], &[0, 0][..]));
        assert_eq!(subset.num_classes(), 2);
    }
}
