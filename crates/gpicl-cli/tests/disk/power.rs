//! A disk in a model: what is on it for sure, and what it may have lost when its power goes.
//!
//! A file's bytes are safe once the file was synced, its name once its folder was; neither does the other. Of what is not
//! safe any part may have arrived, in any order.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// A change as `faults.c` logs it. A file has a number, its inode's, which another one may have after it. Paths are
/// relative to the root, which is the empty one.
#[derive(Clone, Debug)]
pub enum Change {
    Create { file: u64, path: PathBuf },
    Length { file: u64, path: PathBuf, length: usize },
    Write { file: u64, path: PathBuf, offset: usize, bytes: Vec<u8> },
    Sync { file: u64, path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Folder { path: PathBuf },
    Unlink { path: PathBuf },
}

/// The changes of a log of what happened below `root`.
pub fn read_log(mut log: &[u8], root: &Path) -> Vec<Change> {
    let mut changes = Vec::new();
    while !log.is_empty() {
        let line = line(&mut log);
        let mut parts = line.splitn(5, ' ');
        let kind = parts.next().unwrap();
        let [file, first, second] = std::array::from_fn(|_| parts.next().unwrap().parse::<u64>().unwrap());
        let relative = |path: &str| Path::new(path).strip_prefix(root).unwrap().to_path_buf();
        let path = relative(parts.next().unwrap());
        changes.push(match kind {
            "C" => Change::Create { file, path },
            "T" => Change::Length { file, path, length: first as usize },
            "W" => {
                let (bytes, rest) = log.split_at(second as usize);
                log = rest;
                Change::Write { file, path, offset: first as usize, bytes: bytes.to_vec() }
            }
            "S" => Change::Sync { file, path },
            "R" => {
                let old = self::line(&mut log);
                Change::Rename { from: relative(old.splitn(5, ' ').last().unwrap()), to: path }
            }
            "M" => Change::Folder { path },
            "U" => Change::Unlink { path },
            kind => panic!("a log has no `{kind}`"),
        });
    }
    changes
}

fn line<'a>(log: &mut &'a [u8]) -> &'a str {
    let end = log.iter().position(|&byte| byte == b'\n').unwrap();
    let line = std::str::from_utf8(&log[..end]).unwrap();
    *log = &log[end + 1..];
    line
}

/// Numbers by chance, the same for the same seed: SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// A folder or a file, by its place in [`Disk::files`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    Folder,
    File(usize),
}

/// A change of names, which takes effect as a whole or not at all.
#[derive(Clone, Debug)]
enum Naming {
    Link(PathBuf, Node),
    Rename(PathBuf, PathBuf, Node),
    Unlink(PathBuf),
}

impl Naming {
    fn folder(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Rename(_, path, _) | Self::Unlink(path) => path.parent().unwrap(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Link(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Unlink(path) => drop(names.remove(path)),
        }
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Edit {
    /// Applies the first `part` bytes of a write.
    fn apply(&self, bytes: &mut Vec<u8>, part: usize) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(offset, new) => {
                let end = offset + part.min(new.len());
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(&new[..end - offset]);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    safe: Vec<u8>,
    pending: Vec<Edit>,
}

impl Content {
    fn whole(&self) -> Vec<u8> {
        let mut bytes = self.safe.clone();
        self.pending.iter().for_each(|edit| edit.apply(&mut bytes, usize::MAX));
        bytes
    }
}

/// Files and names, safe and pending.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<Content>,
    /// What a file's number means now.
    numbers: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, Node>,
    safe_names: BTreeMap<PathBuf, Node>,
    pending_names: Vec<Naming>,
}

impl Disk {
    /// A disk with the files of `root`, all safe.
    pub fn of(root: &Path) -> Self {
        let mut disk = Self::default();
        for path in super::names(root) {
            let node = if root.join(&path).is_dir() {
                Node::Folder
            } else {
                disk.files.push(Content { safe: fs::read(root.join(&path)).unwrap(), pending: Vec::new() });
                Node::File(disk.files.len() - 1)
            };
            disk.names.insert(path.clone(), node);
            disk.safe_names.insert(path, node);
        }
        disk
    }

    /// The disk after these changes.
    pub fn after(mut self, changes: &[Change]) -> Self {
        changes.iter().for_each(|change| self.change(change));
        self
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Create { file, path } => {
                self.files.push(Content::default());
                self.numbers.insert(*file, self.files.len() - 1);
                self.name(Naming::Link(path.clone(), Node::File(self.files.len() - 1)));
            }
            Change::Length { file, path, length } => self.edit(*file, path, Edit::Length(*length)),
            Change::Write { file, path, offset, bytes } => {
                self.edit(*file, path, Edit::Write(*offset, bytes.clone()));
            }
            Change::Sync { path, .. } if path.as_os_str().is_empty() || self.names[path] == Node::Folder => {
                let (synced, pending) =
                    self.pending_names.drain(..).partition(|naming| naming.folder() == path);
                self.pending_names = pending;
                let synced: Vec<Naming> = synced;
                synced.iter().for_each(|naming| naming.apply(&mut self.safe_names));
            }
            Change::Sync { file, path } => {
                let file = self.file(*file, path);
                self.files[file].safe = self.files[file].whole();
                self.files[file].pending.clear();
            }
            Change::Rename { from, to } => {
                self.name(Naming::Rename(from.clone(), to.clone(), self.names[from]));
            }
            Change::Folder { path } => self.name(Naming::Link(path.clone(), Node::Folder)),
            Change::Unlink { path } => self.name(Naming::Unlink(path.clone())),
        }
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending_names.push(naming);
    }

    fn edit(&mut self, number: u64, path: &Path, edit: Edit) {
        let file = self.file(number, path);
        self.files[file].pending.push(edit);
    }

    /// The file of this number; one that was there before the log has only its path.
    fn file(&mut self, number: u64, path: &Path) -> usize {
        *self.numbers.entry(number).or_insert_with(|| match self.names[path] {
            Node::File(file) => file,
            Node::Folder => panic!("{} is a folder", path.display()),
        })
    }

    /// Writes the folder as the program sees it.
    pub fn whole(&self, root: &Path) {
        self.write(root, &self.names, |content| content.whole());
    }

    /// Every path that the program sees.
    pub fn whole_names(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    /// Writes the folder as the disk could have it if its power went now.
    pub fn left(&self, root: &Path, dice: &mut Dice) {
        // With a journal a folder's names arrive in their order, else as it comes.
        let journal = dice.coin();
        let mut stopped: Vec<&Path> = Vec::new();
        let mut names = self.safe_names.clone();
        for naming in &self.pending_names {
            if dice.coin() && !stopped.contains(&naming.folder()) {
                naming.apply(&mut names);
            } else if journal {
                stopped.push(naming.folder());
            }
        }
        self.write(root, &names, |content| {
            let mut bytes = content.safe.clone();
            // Whether the lengths are written before what fills them.
            let zeros = dice.coin();
            for edit in &content.pending {
                let length = match edit {
                    Edit::Write(_, bytes) => bytes.len() as u64,
                    Edit::Length(_) => 0,
                };
                match dice.below(3) {
                    0 => edit.apply(&mut bytes, usize::MAX),
                    1 if length > 0 => edit.apply(&mut bytes, dice.below(length) as usize),
                    _ => {}
                }
            }
            if zeros {
                bytes.resize(content.whole().len(), 0);
            }
            bytes
        });
    }

    fn write(
        &self,
        root: &Path,
        names: &BTreeMap<PathBuf, Node>,
        mut content: impl FnMut(&Content) -> Vec<u8>,
    ) {
        // Folders come before what is in them.
        for (path, node) in names {
            let path = root.join(path);
            // What is in a folder without a name is lost with it.
            if !path.parent().unwrap().is_dir() {
                continue;
            }
            match node {
                Node::Folder => fs::create_dir_all(&path).unwrap(),
                Node::File(file) => fs::write(&path, content(&self.files[*file])).unwrap(),
            }
        }
    }
}
