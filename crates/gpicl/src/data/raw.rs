//! What every reader takes and gives: files that are there, and examples as the source has them.

use std::path::{Path, PathBuf};

use super::Dataset;
use crate::error::{Error, Result};

/// What a reader returns: inputs as the source has them, pixels in `[0, 1]`.
pub(super) struct Raw {
    pub train: Dataset,
    pub test: Option<Dataset>,
    /// The files of a named data set that were read.
    pub files: Vec<PathBuf>,
}

/// The first of `names` that exists below `folder`, or an error that says how to get the data set.
pub(super) fn locate(set: &str, folder: &Path, names: &[String]) -> Result<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.exists()).ok_or_else(|| Error::Missing {
        name: set.into(),
        problem: format!("none of {} is in {}", names.join(", "), folder.display()),
        fix: format!(
            "run `gpicl data fetch {set}`, or point --data-dir or GPICL_DATA_DIR at the folder above"
        ),
    })
}
