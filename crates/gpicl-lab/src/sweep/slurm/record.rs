//! What was submitted: `slurm/job.json`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use gpicl::data::hex;
use gpicl::fs::write_atomic;
use gpicl::{Error, Result};

/// The job arrays of a sweep. An array is written down before it is submitted, so that after a kill at any moment the
/// queue can be asked for it by its name.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// What the names of the sweep's jobs begin with.
    name: String,
    /// In the order of submission.
    arrays: Vec<Array>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Array {
    number: usize,
    /// Slurm's id of the job, as soon as it is known.
    job: Option<String>,
}

impl Record {
    /// The record in `folder`, or an empty one for the sweep in `dir`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] if it does not read back.
    pub fn open(folder: &Path, dir: &Path) -> Result<Self> {
        let path = Self::path(folder);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let fix = "cancel the sweep's jobs, as `squeue` shows them, and remove the file";
                Error::file(&path, format!("is no record of Slurm jobs ({error})"), fix)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self {
                name: name(&dir.canonicalize().map_err(Error::io("find", dir))?),
                arrays: Vec::new(),
            }),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Number of the next array.
    pub fn next(&self) -> usize {
        self.arrays.last().map_or(1, |array| array.number + 1)
    }

    /// Job name of array `number`.
    pub fn array_name(&self, number: usize) -> String {
        format!("{}.{number}", self.name)
    }

    /// The array that is called so.
    pub fn array_number(&self, name: &str) -> Option<usize> {
        let number = name.strip_prefix(&self.name)?.strip_prefix('.')?.parse().ok()?;
        self.arrays.iter().any(|array| array.number == number).then_some(number)
    }

    /// Job names of all arrays.
    pub fn array_names(&self) -> Vec<String> {
        self.arrays.iter().map(|array| self.array_name(array.number)).collect()
    }

    /// Writes down that array `number` is about to be submitted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(&mut self, number: usize, folder: &Path) -> Result<()> {
        self.arrays.push(Array { number, job: None });
        self.save(folder)
    }

    /// Writes down that array `number` is the Slurm job `job`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn submitted(&mut self, number: usize, job: &str, folder: &Path) -> Result<()> {
        let array = self.arrays.iter_mut().find(|array| array.number == number);
        match array {
            Some(array) if array.job.is_none() => array.job = Some(job.to_string()),
            _ => return Ok(()),
        }
        self.save(folder)
    }

    /// Writes down that array `number` was not submitted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn refused(&mut self, number: usize, folder: &Path) -> Result<()> {
        self.arrays.retain(|array| array.number != number);
        self.save(folder)
    }

    /// Writes down the ids of jobs that a process was killed before it could: numbers of arrays, each with its job's.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn learn<'a>(
        &mut self,
        jobs: impl IntoIterator<Item = (usize, &'a str)>,
        folder: &Path,
    ) -> Result<()> {
        jobs.into_iter().try_for_each(|(number, job)| self.submitted(number, job, folder))
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("names and numbers have a JSON form");
        write_atomic(&Self::path(folder), format!("{text}\n").as_bytes())
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("job.json")
    }
}

/// A job name for the sweep in the folder `dir`: its name for people, a checksum of its path against confusion.
fn name(dir: &Path) -> String {
    let called = dir.file_name().unwrap_or_default().to_string_lossy();
    let safe = called.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' });
    let short: String = safe.take(32).collect();
    let path = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    let checksum = hex(&path[..4]);
    format!("gpicl-{short}-{checksum}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_learns_the_job_it_was_killed_before_it_knew() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("slurm");
        std::fs::create_dir(&folder).unwrap();
        let mut record = Record::open(&folder, dir.path()).unwrap();
        assert_eq!((record.next(), record.array_names()), (1, vec![]));
        record.begin(1, &folder).unwrap();
        record.submitted(1, "17", &folder).unwrap();
        record.begin(2, &folder).unwrap();

        let mut killed = Record::open(&folder, dir.path()).unwrap();
        assert_eq!(killed, record);
        assert_eq!(
            killed.next(),
            3,
            "what may have been submitted is not submitted under the same name again"
        );
        killed.learn([(1, "17"), (2, "18")], &folder).unwrap();
        assert_eq!(killed.arrays[1].job.as_deref(), Some("18"));
        assert_eq!(Record::open(&folder, dir.path()).unwrap(), killed);

        killed.begin(3, &folder).unwrap();
        killed.refused(3, &folder).unwrap();
        assert_eq!(killed.array_names().len(), 2);
        assert_eq!(killed.array_number(&killed.array_name(2)), Some(2));
        assert_eq!(killed.array_number(&killed.array_name(3)), None);

        std::fs::write(folder.join("job.json"), "{").unwrap();
        let error = Record::open(&folder, dir.path()).unwrap_err().to_string();
        assert!(error.contains("job.json") && error.contains("squeue"), "{error}");
    }

    #[test]
    fn job_names_tell_folders_apart() {
        let one = name(Path::new("/home/ann/my maps,1"));
        assert!(one.starts_with("gpicl-my-maps-1-") && one.len() == "gpicl-my-maps-1-".len() + 8, "{one}");
        assert_ne!(one, name(Path::new("/home/bob/my maps,1")));
    }
}
