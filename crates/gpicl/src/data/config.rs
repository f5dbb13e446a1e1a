//! Which data set, and how its inputs are prepared: the `[data]` table.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cells::Delimiter;
use super::picture::Background;
use super::transform::{Color, Normalize};
use crate::error::{Error, Result};

/// A named preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreparedLayout {
    /// The paper's: every image at 32x32x3.
    Paper,
}

/// One data set, described completely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A data set that `gpicl data list` names, or a format that reads `path`.
    pub name: String,
    /// The file or folder, for formats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Side of the square that images are brought to, by area averaging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// Grey or colour; as the files have it if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    /// What transparent pictures are laid on; white if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// A named preparation instead of `resize` and `color`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<PreparedLayout>,
    /// How inputs are normalised; the statistics are the training split's. Absent: each column of a table, and each number of
    /// vectors in NumPy's files, by its own, all else by one mean and deviation.
    pub normalize: Normalize,
    /// Name of the label column of a table; the last one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// What stands between the cells of a table; found if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
    /// Columns of a table that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Columns of numbers of a table that are categories all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categorical: Vec<String>,
    /// Cells of a table that mean "no value", besides the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Number of classes of a made data set (glyphs, random).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Training examples of each class of a made data set; a quarter as many are held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    /// Side of made images (glyphs), or length of made vectors (random).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Standard deviation of the noise of a made data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f32>,
    /// Part that is held out where the source has no test split of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
    /// Part of the training split that becomes the validation split; a tenth if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_fraction: Option<f64>,
    /// Seed of a made data set, of the split where the source has none, and of the choice of validation examples. Absent: 0,
    /// or of a made data set the seed of the run where that is given for all (`--seed`, `seeds` of a sweep or comparison).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: "glyphs".into(),
            path: None,
            resize: None,
            color: None,
            background: None,
            layout: None,
            normalize: Normalize::default(),
            label_column: None,
            delimiter: None,
            drop: Vec::new(),
            categorical: Vec::new(),
            missing: Vec::new(),
            classes: None,
            per_class: None,
            size: None,
            noise: None,
            test_fraction: None,
            validation_fraction: None,
            seed: None,
        }
    }
}

impl DataConfig {
    /// The seed; 0 if none is given.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    /// The side and the colour that images are brought to.
    pub(super) fn target(&self) -> (Option<usize>, Option<Color>) {
        match self.layout {
            Some(PreparedLayout::Paper) => (Some(32), Some(Color::Rgb)),
            None => (self.resize, self.color),
        }
    }

    /// Gives a made data set the seed of a run, unless it has its own.
    pub fn set_seed(&mut self, seed: u64) {
        if self.seed.is_none() && self.is_made() {
            self.seed = Some(seed);
        }
    }
}

/// Where data sets are: `given` (`--data-dir`), else `GPICL_DATA_DIR`, else the cache folder that
/// `gpicl data fetch` fills.
///
/// # Errors
/// [`Error::Missing`] if none is given and this system has no cache folder.
pub fn data_dir(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = given {
        return Ok(dir.to_path_buf());
    }
    if let Some(dir) = std::env::var_os("GPICL_DATA_DIR").filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    dirs::cache_dir().map(|dir| dir.join("gpicl")).ok_or_else(|| Error::Missing {
        name: "cache".into(),
        problem: "this system names no cache folder".into(),
        fix: "give --data-dir or set GPICL_DATA_DIR".into(),
    })
}
