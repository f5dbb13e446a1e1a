//! Every reader: a line each.

use std::io::{Cursor, Write as _};
use std::path::Path;

use gpicl::data::DataConfig;
use gpicl::rng::Rng;
use gpicl::train::{Layers, load_weights};
use gpicl::{DeviceKind, Result};
use gpicl_lab::compare::NamedSpec;
use gpicl_lab::sweep::NamedSweep;

use crate::{Files, seeds};

/// A reader, and what it is given.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What the command line calls it.
    pub name: &'static str,
    /// Small valid files.
    pub(crate) seeds: fn() -> Vec<Files>,
    /// Into the container that the reader wants, with its checksums.
    pub(crate) pack: fn(Files, &mut Rng) -> Files,
    /// Reads what is below a folder.
    pub(crate) read: fn(&Path) -> Result<()>,
    /// Words of the format.
    pub(crate) words: &'static [&'static str],
    /// What reading may take.
    bound: Bound,
}

/// Bytes that reading may take: some, and so many for each byte of the input.
#[derive(Clone, Copy, Debug)]
struct Bound {
    fixed: usize,
    per_byte: usize,
}

const MIB: usize = 1 << 20;
/// A number of one byte becomes one of eight, in a list that grows by doubling and is copied a few times.
const PLAIN: Bound = Bound { fixed: MIB, per_byte: 1 << 8 };
/// Deflate gives at most 1032 bytes for one.
const PACKED: Bound = Bound { fixed: MIB, per_byte: 1 << 17 };
/// The largest picture that is read takes 256 MiB, and four bytes a number for each of those. Decoders have as much.
const PICTURES: Bound = Bound { fixed: 4096 * MIB, per_byte: 0 };
/// Text becomes tables, configurations and plans: a run of a sweep is a configuration.
const TEXT: Bound = Bound { fixed: 64 * MIB, per_byte: 1 << 12 };
/// A model is made before its weights are known.
const MODEL: Bound = Bound { fixed: 64 * MIB, per_byte: 1 << 8 };

impl Target {
    /// Most bytes that reading `size` bytes may take.
    pub fn bound(&self, size: usize) -> usize {
        self.bound.fixed + self.bound.per_byte * size
    }

    /// The target called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

macro_rules! targets {
    ($($name:literal: $seeds:path, $pack:path, $read:expr, $words:expr, $bound:expr;)+) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[
            $(Target { name: $name, seeds: $seeds, pack: $pack, read: $read, words: &$words, bound: $bound },)+
        ];
    };
}

targets! {
    "idx": seeds::idx, gzipped, |at| load("idx", at), [], PACKED;
    "cifar": seeds::cifar, tarred, |at| named("cifar10", at), [], PACKED;
    "mat": seeds::mat, as_they_are, |at| named("svhn", at), ["MI", "IM"], PACKED;
    "npy": seeds::npy, as_they_are, |at| load("npy", at), NUMPY, PLAIN;
    "npz": seeds::npy, zipped, |at| load("npz", &at.join(NPZ)), NUMPY, PACKED;
    "csv": seeds::csv, as_they_are, |at| load("csv", &at.join("table.csv")), CELLS, PLAIN;
    "images": seeds::images, with_checksums, pictures, ["Exif\0\0", "tRNS", "eXIf", "VP8L", "NETSCAPE2.0"], PICTURES;
    "safetensors": seeds::safetensors, as_they_are, |at| load("safetensors", &at.join("f.safetensors")), JSON, PLAIN;
    "checkpoint": seeds::checkpoints, as_they_are, checkpoint, JSON, MODEL;
    "config": seeds::configs, as_they_are, config, TOML, TEXT;
    "sweep": seeds::sweeps, as_they_are, |at| NamedSweep::read(&at.join("f.toml"))?.plan().map(drop), TOML, TEXT;
    "compare": seeds::comparisons, as_they_are, |at| NamedSpec::read(&at.join("f.toml"))?.runs().map(drop), TOML, TEXT;
}

const NPZ: &str = "f.npz";
const NUMPY: [&str; 12] =
    ["'<f8'", "'|b1'", "'>i2'", "'<f2'", "'<U3'", "'|O'", "True", "False", "(", ",)", "3L", "'shape'"];
const CELLS: [&str; 12] =
    [",", ";", "\t", "\"", "\n", "\r\n", "NaN", "inf", "-1e39", "1e400", "\u{feff}", "true"];
const JSON: [&str; 12] =
    ["{", "}", "[", "]", "\"", ":", "null", "\"F32\"", "\"shape\"", "\"data_offsets\"", "[0,0]", "\"U8\""];
const TOML: [&str; 16] = [
    "[",
    "]",
    "[[",
    "=",
    "{",
    "}",
    "\"",
    "\n",
    ".",
    "true",
    "nan",
    "[model]",
    "[[mix]]",
    "kind = \"lstm\"",
    "seeds = [0]",
    "{ relative = 1 }",
];

/// Of a format: loads it.
fn load(format: &str, path: &Path) -> Result<()> {
    let config = DataConfig { name: format.into(), path: Some(path.into()), ..DataConfig::default() };
    config.load(None).map(drop)
}

/// Of a named data set, below a data directory.
fn named(name: &str, data_dir: &Path) -> Result<()> {
    DataConfig { name: name.into(), ..DataConfig::default() }.load(Some(data_dir)).map(drop)
}

/// Pictures may have any size, and come to one.
fn pictures(folder: &Path) -> Result<()> {
    let config = DataConfig { name: "images".into(), path: Some(folder.into()), ..DataConfig::default() };
    DataConfig { resize: Some(seeds::SIDE as usize), ..config }.load(None).map(drop)
}

fn checkpoint(folder: &Path) -> Result<()> {
    load_weights(&folder.join("f.safetensors"), &DeviceKind::Cpu.device()?).map(drop)
}

fn config(folder: &Path) -> Result<()> {
    let mut layers = Layers::default();
    layers.file(&folder.join("f.toml"))?;
    let config = layers.build()?;
    config.validate_sources()
}

fn as_they_are(files: Files, _: &mut Rng) -> Files {
    files
}

/// Each in a gzip file of its own, or not.
fn gzipped(files: Files, rng: &mut Rng) -> Files {
    let pack = |(name, bytes): (String, Vec<u8>)| match rng.below(2) {
        0 => (name, bytes),
        _ => (format!("{name}.gz"), gzip(&bytes)),
    };
    files.into_iter().map(pack).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// In CIFAR-10's archive, or in its folder.
fn tarred(files: Files, rng: &mut Rng) -> Files {
    if rng.below(2) == 0 {
        return files;
    }
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        let name = name.trim_start_matches("cifar10/");
        tar.append_data(&mut header, name, bytes.as_slice()).expect("writing to memory does not fail");
    }
    let tar = tar.into_inner().expect("writing to memory does not fail");
    vec![("cifar10/cifar-10-binary.tar.gz".into(), gzip(&tar))]
}

/// All in one zip archive, stored or deflated.
fn zipped(files: Files, rng: &mut Rng) -> Files {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let method =
            [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated][rng.below(2) as usize];
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(name, options).expect("writing to memory does not fail");
        zip.write_all(&bytes).expect("writing to memory does not fail");
    }
    vec![(NPZ.into(), zip.finish().expect("writing to memory does not fail").into_inner())]
}

/// PNG files with the checksums of their chunks made right again.
fn with_checksums(mut files: Files, _: &mut Rng) -> Files {
    for (_, bytes) in &mut files {
        const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
        if !bytes.starts_with(SIGNATURE) {
            continue;
        }
        let mut at = SIGNATURE.len();
        while let Some(length) = bytes.get(at..at + 4).and_then(|length| length.try_into().ok()) {
            let end = at + 8 + u32::from_be_bytes(length) as usize;
            let Some(chunk) = bytes.get(at + 4..end) else { break };
            let mut crc = flate2::Crc::new();
            crc.update(chunk);
            let Some(sum) = bytes.get_mut(end..end + 4) else { break };
            sum.copy_from_slice(&crc.sum().to_be_bytes());
            at = end + 4;
        }
    }
    files
}
