//! Event files for TensorBoard: the lines of `metrics.jsonl` as scalars.
//!
//! A file is a sequence of records, each a protobuf `Event` between two checksums. Six fields of two messages and one
//! checksum are written by hand here: fewer lines than a code generator needs to be told of them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::eval::Metric;
use crate::fs::{create_folder, write_atomic};

/// Writes an event file that has the same bytes for the same metrics, however often the run was cut. For that its
/// times are 0: TensorBoard shows steps, `timing.jsonl` has the times.
#[derive(Debug)]
pub struct EventsWriter {
    path: PathBuf,
    file: File,
}

impl EventsWriter {
    /// Opens the file and makes it hold the events of `metrics` and no others. Where it only has too many, it is cut
    /// and not replaced, so that a TensorBoard that has it open goes on reading.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, metrics: &[Metric]) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        create_folder(folder)?;
        let mut bytes = header();
        bytes.extend(metrics.iter().flat_map(event));
        if !std::fs::read(path).is_ok_and(|found| found.starts_with(&bytes)) {
            write_atomic(path, &bytes)?;
        }
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
        file.set_len(bytes.len() as u64).map_err(Error::io("truncate", path))?;
        Ok(Self { path: path.into(), file })
    }

    /// Appends the event of one line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, metric: &Metric) -> Result<()> {
        self.file.write_all(&event(metric)).map_err(Error::io("write", &self.path))
    }

    /// Forces what is written to the disk: a finished run is not opened again, which would mend the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}

/// The record that an event file begins with.
fn header() -> Vec<u8> {
    let mut event = Vec::new();
    field(&mut event, 3, b"brain.Event:2"); // Event.file_version
    record(&event)
}

/// The record of one line: `train/loss`, or `meta-test/loss/<set>`.
fn event(metric: &Metric) -> Vec<u8> {
    let (step, scalars) = scalars(metric);
    let mut summary = Vec::new();
    for (tag, number) in scalars {
        let mut value = Vec::new();
        field(&mut value, 1, tag.as_bytes()); // Summary.Value.tag
        value.push(2 << 3 | 5); // Summary.Value.simple_value, 32 bits
        value.extend((number as f32).to_le_bytes());
        field(&mut summary, 1, &value); // Summary.value
    }
    let mut event = vec![2 << 3]; // Event.step
    varint(&mut event, step);
    field(&mut event, 5, &summary); // Event.summary
    record(&event)
}

/// The step of a line, and its numbers by name.
fn scalars(metric: &Metric) -> (u64, Vec<(String, f64)>) {
    match metric {
        Metric::Train {
            step,
            loss,
            loss_biased,
            loss_unbiased,
            accuracy_first,
            accuracy_last,
            lr,
            grad_norm,
        } => {
            let scalars = [
                ("loss", Some(loss)),
                ("loss_biased", loss_biased.as_ref()),
                ("loss_unbiased", loss_unbiased.as_ref()),
                ("accuracy_first", Some(accuracy_first)),
                ("accuracy_last", Some(accuracy_last)),
                ("lr", Some(lr)),
                ("grad_norm", Some(grad_norm)),
            ];
            let named = |(name, number): (&str, Option<&f64>)| Some((format!("train/{name}"), *number?));
            (*step, scalars.into_iter().filter_map(named).collect())
        }
        // The number before the set: TensorBoard shows the sets of one number beside each other.
        Metric::Eval { step, set, summary } => {
            let scalars = [
                ("accuracy_first", summary.first.mean),
                ("accuracy_last", summary.last.mean),
                ("accuracy_last_10", summary.last_10.mean),
                ("loss", summary.loss),
            ];
            (*step, scalars.map(|(name, number)| (format!("meta-test/{name}/{set}"), number)).into())
        }
    }
}

/// Appends a protobuf field of bytes.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Appends a number, seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// A TFRecord: length, its checksum, the bytes, their checksum.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), bytes, &masked(bytes)].concat()
}

/// The checksum as TFRecords store it: rotated and added to, since they may hold records with checksums themselves.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli). Bit by bit: a record has some hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(step: u64) -> Metric {
        Metric::Train {
            step,
            loss: 2.5,
            loss_biased: None,
            loss_unbiased: None,
            accuracy_first: 0.0,
            accuracy_last: 1.0,
            lr: 1e-3,
            grad_norm: 0.5,
        }
    }

    #[test]
    fn framing_agrees_with_published_bytes() {
        // RFC 3720, appendix B.4, and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let mut number = Vec::new();
        varint(&mut number, 300);
        assert_eq!(number, [0xac, 0x02]);
        // What TensorFlow's own writer begins a file with, but for the time.
        let header = header();
        assert_eq!(header[..8], 15_u64.to_le_bytes());
        assert_eq!(header[12..27], *b"\x1a\x0dbrain.Event:2");
        assert_eq!(header.len(), 8 + 4 + 15 + 4);
    }

    #[test]
    fn a_file_is_brought_to_its_metrics_whatever_a_kill_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tensorboard/events");
        let read = || std::fs::read(&path).unwrap();
        let mut whole = EventsWriter::open(&path, &[metric(1)]).unwrap();
        whole.write(&metric(200)).unwrap();
        let bytes = read();
        EventsWriter::open(&path, &[metric(1)]).unwrap().write(&metric(200)).unwrap();
        assert_eq!(read(), bytes, "cut to the first and written on");
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        EventsWriter::open(&path, &[metric(1), metric(200)]).unwrap();
        assert_eq!(read(), bytes, "torn and made anew");
    }
}
