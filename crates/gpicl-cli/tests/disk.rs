//! Disks that are full, that fail, and that lose power: what a command leaves then, and what it makes of that afterwards.
//!
//! `disk/faults.c` is loaded before the command. It lets one of the command's changes fail, or writes down all of them, from
//! which [`power`] makes folders as a disk could have left them. Whatever happened: the command, given again, ends with the
//! files of one that nothing befell. A sample of the faults is tried; `GPICL_DISK=all` tries every change and 100 cuts.
#![cfg(target_os = "linux")]

mod common;
#[path = "disk/power.rs"]
mod power;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{command, skipped, text};
use power::{Change, Dice, Disk, read_log};

/// What all commands here meta-train: a moment's work with three checkpoints, of which two stay.
const RUN: &str = r#"
[data]
name = "random"
size = 8
classes = 3
per_class = 20

[tasks]
episode_length = 8

[model]
d_model = 8
layers = 1
heads = 2
d_ff = 16
layout = "paired"

[train]
steps = 6
batch = 4
warmup = 1
log_every = 1
checkpoint_every = 2
keep_checkpoints = 2

[eval]
every = 3
episodes = 4
final_episodes = 8
"#;

const SWEEP: &str = "[local]\njobs = 1\n[grid]\ntrain.lr = [0.001, 0.01]\n";
const COMPARISON: &str = "seeds = [0]\nepisodes = 8\ntest_sets = ['random']\n[[methods]]\nname = 'small'\n\
    [[methods]]\nname = 'knn'\nbaseline = 'knn'\n";

/// A command and its place.
#[derive(Clone, Copy, Debug)]
enum Work {
    Train,
    Sweep,
    Compare,
}

impl Work {
    /// The folder that it fills.
    fn folder(self) -> &'static str {
        match self {
            Self::Train => "run",
            Self::Sweep => "sweep",
            Self::Compare => "comparison",
        }
    }

    /// Writes its configuration into `at`.
    fn prepare(self, at: &Path) {
        let base = RUN.replace('[', "[base.").replace("steps = 6", "steps = 4");
        let (name, file) = match self {
            Self::Train => ("train.toml", RUN.to_string()),
            Self::Sweep => ("sweep.toml", base + SWEEP),
            // What stands outside of tables comes first.
            Self::Compare => {
                let (top, methods) = COMPARISON.split_once("[[").unwrap();
                ("compare.toml", format!("{top}{base}[[{methods}"))
            }
        };
        fs::write(at.join(name), file).unwrap();
    }

    /// The command that begins it in `at`, or goes on with it, as its own messages say.
    fn command(self, at: &Path) -> Command {
        let args: &[&str] = match self {
            Self::Train if at.join("run/config.toml").exists() => &["resume", "run"],
            Self::Train => &["train", "--config", "train.toml", "--run", "run"],
            Self::Sweep => &["sweep", "sweep.toml", "--out", "sweep", "--retry-failed"],
            Self::Compare => &["compare", "--config", "compare.toml", "--out", "comparison"],
        };
        command(at, args)
    }

    /// The files, but for those that are others each time: times, locks, what was said, and what a cut left under a
    /// temporary name.
    fn files(self, at: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        const OTHERS: [&str; 5] = ["timing.jsonl", "timing.csv", ".lock", "logs", "report.html"];
        let mut files = BTreeMap::new();
        let mut folders = vec![at.join(self.folder())];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if OTHERS.contains(&name) || name.starts_with(".partial-") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.strip_prefix(at).unwrap().into(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }
}

/// Whether everything is to be tried.
fn all() -> bool {
    std::env::var("GPICL_DISK").is_ok_and(|value| value == "all")
}

/// The library that stands for the disk; none, said aloud, without a C compiler.
fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disk/faults.c");
        let library =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"]);
        match compiler.output() {
            Ok(done) => {
                assert!(done.status.success(), "{}", text(&done.stderr));
                Some(library)
            }
            Err(error) => {
                skipped(&format!("faults of the disk: no C compiler `cc` ({error})"));
                None
            }
        }
    });
    library.as_deref()
}

/// A folder to work in, and beside it what the library keeps.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(work: Work) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(place.at()).unwrap();
        work.prepare(&place.at());
        place
    }

    fn at(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("work")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `work` on this disk.
    fn on_disk(&self, work: Work, library: &Path, settings: &[(&str, String)]) -> Output {
        let mut command = work.command(&self.at());
        command.env("LD_PRELOAD", library).env("DISK_ROOT", self.at());
        command.env("DISK_COUNT", self.beside("count")).env("DISK_FAILED", self.beside("failed"));
        command.envs(settings.iter().map(|(name, value)| (name, value))).output().unwrap()
    }

    /// Changes that there were.
    fn changes(&self) -> u64 {
        u64::from_ne_bytes(fs::read(self.beside("count")).unwrap().try_into().unwrap())
    }

    /// Runs `work` to its end; returns all changes that it made.
    fn logged(&self, work: Work, library: &Path) -> Vec<Change> {
        let log = self.beside("log");
        let output = self.on_disk(work, library, &[("DISK_LOG", log.to_str().unwrap().to_string())]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        read_log(&fs::read(log).unwrap(), &self.at())
    }

    /// Runs `work` to its end without faults; returns what it said.
    fn finish(&self, work: Work, context: &str) -> String {
        let output = work.command(&self.at()).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{context}, then again: {said}");
        assert!(!said.contains("damaged"), "{context}: a checkpoint was torn: {said}");
        said
    }
}

fn assert_same(work: Work, at: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>, context: &str) {
    let found = work.files(at);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(expected), "{context}");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{context}: other bytes in {}", name.display());
    }
}

/// The newest checkpoint in `run`.
fn newest(run: &Path) -> u64 {
    let steps = fs::read_dir(run.join("checkpoints")).into_iter().flatten().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    });
    steps.max().unwrap_or(0)
}

/// Errors as Linux numbers them.
const EIO: u32 = 5;
const ENOSPC: u32 = 28;

/// Lets `work` fail at its changes: every one in turn, or some with another mode each.
fn fails_at_its_changes(work: Work, sample: usize) {
    let Some(library) = library() else { return };
    let whole = Place::new(work);
    let output = whole.on_disk(work, library, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (expected, changes) = (work.files(&whole.at()), whole.changes());
    assert!(changes > 60, "the library sees {changes} changes");
    // A disk that is full from then on; one with no space, and one that fails, for a moment.
    let modes = [("full", ENOSPC, 1), ("no space once", ENOSPC, 0), ("error once", EIO, 0)];
    let tries: Vec<(u64, usize)> = if all() {
        (1..=changes).flat_map(|change| (0..modes.len()).map(move |mode| (change, mode))).collect()
    } else {
        let mut dice = Dice::new(work as u64);
        (0..sample).map(|i| (1 + dice.below(changes), i % modes.len())).collect()
    };
    let (mut refused, mut without_harm) = (0, 0);
    each(tries, |(change, mode)| {
        let (name, error, full) = modes[mode];
        let place = Place::new(work);
        let settings = [("DISK_FAIL", change.to_string()), ("DISK_ERRNO", error.to_string())];
        let output =
            place.on_disk(work, library, &[&settings[..], &[("DISK_FULL", full.to_string())]].concat());
        let failed = PathBuf::from(fs::read_to_string(place.beside("failed")).unwrap_or_default());
        let context = format!("{work:?}, {name} at change {change} ({})", failed.display());
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(!said.contains("panicked"), "{context}: {said}");
        let newest = newest(&place.at().join("run"));
        match output.status.code() {
            Some(0) => {
                without_harm += 1;
                assert_same(work, &place.at(), &expected, &context);
            }
            Some(1) => {
                refused += 1;
                let name = failed.file_name().unwrap().to_str().unwrap();
                let name = name.strip_prefix(".partial-").unwrap_or(name);
                // A name with nothing but a number is a look at whether a folder can be written.
                let name = if name.parse::<u32>().is_ok() { "cannot write to" } else { name };
                assert!(failed == place.at() || said.contains(name), "{context} does not name it: {said}");
            }
            code => panic!("{context}: exit code {code:?}: {said}"),
        }
        let said = place.finish(work, &context);
        if let Some(step) = said.lines().find_map(|line| line.strip_prefix("continuing run after step ")) {
            assert_eq!(step.parse::<u64>().unwrap(), newest, "{context}: what was finished is done again");
        }
        assert_same(work, &place.at(), &expected, &context);
    });
    println!("{work:?}: {changes} changes, {refused} faults told, {without_harm} without harm");
    assert!(refused > without_harm, "{refused} told, {without_harm} without harm");
}

/// Cuts `work` from power at random moments, every other time once more as it goes on.
fn cut_from_power(work: Work, cuts: u64) {
    let Some(library) = library() else { return };
    let whole = Place::new(work);
    let before = Disk::of(&whole.at());
    let changes = whole.logged(work, library);
    let expected = work.files(&whole.at());
    assert!(changes.len() > 60, "the library sees {} changes", changes.len());
    // Played to its end with everything kept, the log gives the folder: the model of the disk is right.
    let place = Place::new(work);
    before.clone().after(&changes).whole(&place.at());
    assert_same(work, &place.at(), &expected, "the log played again");
    let (mut lost, mut twice) = (0, 0);
    each(0..cuts, |cut| {
        let mut dice = Dice::new(cut);
        let at = dice.below(changes.len() as u64 + 1) as usize;
        let mut context = format!("{work:?}, cut {cut} after change {at} of {}", changes.len());
        let mut place = Place::new(work);
        let disk = before.clone().after(&changes[..at]);
        disk.left(&place.at(), &mut dice);
        lost += usize::from(disk.whole_names() != names(&place.at()));
        let mut finished = finished(&changes[..at]);
        if cut % 2 == 1 {
            twice += 1;
            let before = Disk::of(&place.at());
            let changes = place.logged(work, library);
            let at = dice.below(changes.len() as u64 + 1) as usize;
            context = format!("{context}, then after {at} of {}", changes.len());
            place = Place::new(work);
            before.after(&changes[..at]).left(&place.at(), &mut dice);
            finished = finished.max(self::finished(&changes[..at]));
        }
        let said = place.finish(work, &context);
        if let Some(step) = said.lines().find_map(|line| line.strip_prefix("continuing run after step ")) {
            let step: u64 = step.parse().unwrap();
            assert!(step >= finished, "{context}: goes on after step {step}, {finished} was finished");
        }
        assert_same(work, &place.at(), &expected, &context);
    });
    println!("{work:?}: {} changes, {cuts} cuts, {twice} of them double, {lost} lost names", changes.len());
    assert!(lost > 0, "nothing was ever lost: the cuts are no test");
}

/// The newest step of a run whose checkpoint was finished: its name was synced, after its bytes.
fn finished(changes: &[Change]) -> u64 {
    let steps = changes.windows(2).filter_map(|pair| match pair {
        [Change::Rename { to, .. }, Change::Sync { path, .. }] if to.parent() == Some(path) => {
            let name = to.file_name()?.to_str()?;
            name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
        }
        _ => None,
    });
    steps.max().unwrap_or(0)
}

/// Tries everything, also after one that fails, and says how many do.
fn each<T>(tries: impl IntoIterator<Item = T>, mut one: impl FnMut(T)) {
    let mut one = |item| catch_unwind(AssertUnwindSafe(|| one(item))).is_err();
    let (mut tried, mut failed) = (0, 0);
    for item in tries {
        tried += 1;
        failed += usize::from(one(item));
    }
    assert!(failed == 0, "{failed} of {tried} failed");
}

/// Every path below `at`.
fn names(at: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![at.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(at).unwrap().to_path_buf());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_survives_a_disk_that_fails() {
    fails_at_its_changes(Work::Train, 15);
}

#[test]
fn a_sweep_survives_a_disk_that_fails() {
    fails_at_its_changes(Work::Sweep, 6);
}

#[test]
fn a_comparison_survives_a_disk_that_fails() {
    fails_at_its_changes(Work::Compare, 6);
}

#[test]
fn a_run_survives_a_power_cut() {
    cut_from_power(Work::Train, if all() { 100 } else { 12 });
}

#[test]
fn a_sweep_survives_a_power_cut() {
    cut_from_power(Work::Sweep, if all() { 100 } else { 4 });
}

#[test]
fn a_comparison_survives_a_power_cut() {
    cut_from_power(Work::Compare, if all() { 100 } else { 4 });
}
