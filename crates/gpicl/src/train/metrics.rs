//! `metrics.jsonl`: one line a measurement, the same bytes whenever the run is repeated or resumed; and its like for
//! TensorBoard.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::events::EventsWriter;
use super::run::RunDir;
use crate::error::{Error, Result};
use crate::eval::Metric;
use crate::fs::sync_name;

/// Appends to `metrics.jsonl`.
#[derive(Debug)]
pub struct MetricsWriter {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl MetricsWriter {
    /// Opens the file and drops what lies beyond `bytes`: lines of steps that a resumed run repeats.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] if fewer bytes are there than the checkpoint knows of.
    pub fn open(path: &Path, bytes: u64) -> Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::io("open", path))?;
        let found = file.metadata().map_err(Error::io("read", path))?.len();
        if found < bytes {
            let problem = format!("has {found} bytes, its checkpoint was made at {bytes}");
            return Err(Error::file(path, problem, "put the file back, or start the run again"));
        }
        file.set_len(bytes).map_err(Error::io("truncate", path))?;
        file.seek(std::io::SeekFrom::End(0)).map_err(Error::io("seek in", path))?;
        sync_name(path)?;
        Ok(Self { path: path.into(), file, bytes })
    }

    /// Appends one line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, metric: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(metric).expect("a metric has a JSON form");
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(Error::io("write", &self.path))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Bytes written so far, forced to the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn synced_bytes(&self) -> Result<u64> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))?;
        Ok(self.bytes)
    }
}

/// What a run measures as it goes: `metrics.jsonl`, and the same for TensorBoard.
#[derive(Debug)]
pub struct RunLog {
    lines: MetricsWriter,
    events: EventsWriter,
}

impl RunLog {
    /// Opens both files of `run` and drops what lies beyond the first `bytes` of `metrics.jsonl`.
    ///
    /// # Errors
    /// As [`MetricsWriter::open`] and [`read_metrics`].
    pub fn open(run: &RunDir, bytes: u64) -> Result<Self> {
        let lines = MetricsWriter::open(&run.metrics_path(), bytes)?;
        let events = EventsWriter::open(&run.events_path(), &read_metrics(&run.metrics_path())?)?;
        Ok(Self { lines, events })
    }

    /// Appends a measurement to both.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, metric: &Metric) -> Result<()> {
        self.lines.write(metric)?;
        self.events.write(metric)
    }

    /// Bytes of `metrics.jsonl` so far, forced to the disk, as are the events.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn synced_bytes(&self) -> Result<u64> {
        self.events.sync()?;
        self.lines.synced_bytes()
    }
}

/// How much of `metrics.jsonl` a run leaves after `step` steps that goes on: a line of that step only where one is due every
/// `log_every` steps, and none of what came after. Whatever was appended since, it is the same.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn bytes_of_going_on(path: &Path, step: u64, log_every: u64) -> Result<u64> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    let stays = |line: &&[u8]| match serde_json::from_slice::<Metric>(line) {
        Ok(Metric::Train { step: of, .. }) => of < step || of == step && step.is_multiple_of(log_every),
        Ok(Metric::Eval { step: of, .. }) => of < step,
        Err(_) => false,
    };
    Ok(text.split_inclusive(|&byte| byte == b'\n').take_while(stays).map(|line| line.len() as u64).sum())
}

/// The newest training line of `metrics.jsonl`, from the file's end; none if there is no file or no such line near it.
///
/// # Errors
/// [`Error::Io`].
pub fn last_training_line(path: &Path) -> Result<Option<Metric>> {
    /// Enough for a training line and the meta-tests of some sets after it.
    const TAIL: u64 = 16 << 10;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(TAIL))).map_err(Error::io("seek in", path))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(Error::io("read", path))?;
    // The first line is a part of one, and the last one can be torn: neither reads as a metric.
    let lines = tail.split(|&byte| byte == b'\n').rev();
    let mut metrics = lines.filter_map(|line| serde_json::from_slice::<Metric>(line).ok());
    Ok(metrics.find(|metric| matches!(metric, Metric::Train { .. })))
}

/// Reads `metrics.jsonl`. A torn last line, as a kill can leave it, is passed over.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] naming the line.
pub fn read_metrics(path: &Path) -> Result<Vec<Metric>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let lines: Vec<String> =
        BufReader::new(file).lines().collect::<std::io::Result<_>>().map_err(Error::io("read", path))?;
    let last = lines.len().saturating_sub(1);
    let mut metrics = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(metric) => metrics.push(metric),
            Err(_) if i == last => tracing::warn!("{}: the last line is torn", path.display()),
            Err(error) => {
                let place = format!("line {}", i + 1);
                return Err(Error::file_at(path, place, error.to_string(), "remove the line"));
            }
        }
    }
    Ok(metrics)
}
