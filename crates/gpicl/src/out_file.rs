//! The file that a command writes its result to: what `--out` names, be it a file, a link, a pipe, a device or standard output.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{check_new, replace};

/// Names of standard output.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
/// Files below these are open already: a file put in their place is not what the other end reads.
const OPEN_FILES: [&str; 3] = ["/dev/fd", "/dev/stderr", "/proc"];
/// Links that lead to links, at most; the system's own bound.
const LINKS: usize = 40;

/// A place for a result, found fit before the computation and written after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutFile {
    named: PathBuf,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Also a file, if it is where standard output goes: what is printed beside the result must not be put over it.
    Stdout,
    /// A file that is open already, and may have something in it: the result is added.
    Open,
    /// A pipe, a device, or a file beside which no other can be made to be put in its place.
    Through,
    /// A file, there or not, behind all links.
    File(PathBuf),
}

impl OutFile {
    /// The place that `path` names; `-` is standard output. Nothing is written yet.
    ///
    /// # Errors
    /// [`Error::File`] with the reason if nothing can be written there.
    pub fn new(path: &Path) -> Result<Self> {
        let place =
            if STDOUT.iter().any(|name| path == Path::new(name)) { Place::Stdout } else { place(path)? };
        Ok(Self { named: path.into(), place })
    }

    /// Writes the result. A file is replaced as a whole, so that a crash leaves the old content or the new, if its folder can be
    /// written to; it keeps its permissions, and a link to it stays a link. A reader that leaves a pipe has had enough: no error.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let through = |file: std::io::Result<File>| file.and_then(|mut file| file.write_all(bytes));
        let written = match &self.place {
            Place::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Place::Open => through(OpenOptions::new().append(true).open(&self.named)),
            Place::Through => through(OpenOptions::new().write(true).truncate(true).open(&self.named)),
            Place::File(path) => return replace(path, bytes),
        };
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Error::io("write", &self.named)(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether the result goes to standard output, where nothing else may stand then.
    pub fn is_stdout(&self) -> bool {
        self.place == Place::Stdout
    }

    /// Whether `input` is this file, so that writing would replace it.
    pub fn is(&self, input: &Path) -> bool {
        let path = match &self.place {
            Place::Stdout => return false,
            Place::Open | Place::Through => &self.named,
            Place::File(path) => path,
        };
        let same = |path: PathBuf| input.canonicalize().is_ok_and(|input| path == input);
        path.is_file() && path.canonicalize().is_ok_and(same)
    }

    /// The name it was given.
    pub fn path(&self) -> &Path {
        &self.named
    }
}

impl fmt::Display for OutFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_stdout() { f.write_str("standard output") } else { self.named.display().fmt(f) }
    }
}

fn place(path: &Path) -> Result<Place> {
    const OTHER: &str = "name another file, or `-` for standard output";
    let refuse = |problem: String, fix: &str| Err(Error::file(path, problem, fix));
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::File(new_file(path)?)),
        Err(error) => return refuse(format!("cannot be written ({error})"), OTHER),
    };
    if is_stdout(&found) {
        return Ok(Place::Stdout);
    }
    if found.is_dir() {
        return refuse("is a folder".into(), &format!("name a file, like {}", path.join("FILE").display()));
    }
    if is_socket(&found) {
        return refuse("is a socket".into(), OTHER);
    }
    if found.permissions().readonly() {
        return refuse("is read-only".into(), "make it writable, or name another file");
    }
    // Not a pipe: a reader would take the end of the look for the end of the file.
    let to_look_at = found.is_file() || is_device(&found);
    if to_look_at && let Err(error) = OpenOptions::new().write(true).open(path) {
        return refuse(format!("cannot be written ({error})"), OTHER);
    }
    if is_open(path) {
        return Ok(Place::Open);
    }
    if !found.is_file() {
        return Ok(Place::Through);
    }
    let target = path.canonicalize().map_err(Error::io("resolve", path))?;
    Ok(if check_new(&target).is_ok() { Place::File(target) } else { Place::Through })
}

/// Whether a path is of a file that is open already, or a link to such a path: behind it stands the file's own name.
fn is_open(path: &Path) -> bool {
    let mut target = path.to_path_buf();
    for _ in 0..LINKS {
        if OPEN_FILES.iter().any(|open| target.starts_with(open)) {
            return true;
        }
        let Ok(next) = target.read_link() else { return false };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    false
}

/// Where a file of this name comes to be: `path`, or what it leads to if it is a link to what is not there yet.
fn new_file(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..LINKS {
        let Ok(next) = target.read_link() else {
            return match check_new(&target) {
                Err(Error::File { problem, fix, .. }) if target != path => {
                    let problem = format!("is a link to {}: {problem}", target.display());
                    Err(Error::file(path, problem, fix))
                }
                checked => checked.map(|()| target),
            };
        };
        // A relative link starts from its own folder.
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(Error::file(path, "is a link that leads to itself", "remove it, or name another file"))
}

/// Whether standard output goes to what was found. A device but a terminal takes both, each for itself.
#[cfg(unix)]
fn is_stdout(found: &Metadata) -> bool {
    use std::io::IsTerminal as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    let stdout = std::io::stdout();
    let open = stdout.as_fd().try_clone_to_owned().and_then(|open| File::from(open).metadata());
    let same = open.is_ok_and(|open| (open.dev(), open.ino()) == (found.dev(), found.ino()));
    same && (!is_device(found) || stdout.is_terminal())
}

#[cfg(unix)]
fn is_device(found: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    found.file_type().is_char_device() || found.file_type().is_block_device()
}

#[cfg(unix)]
fn is_socket(found: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    found.file_type().is_socket()
}

#[cfg(not(unix))]
fn is_stdout(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_socket(_: &Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_link_stays_and_its_file_gets_the_text() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("deep")).unwrap();
        std::fs::write(at("deep/file"), "old").unwrap();
        symlink("deep/file", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        symlink("deep/new", at("to-new")).unwrap();
        for (name, target) in [("link", "deep/file"), ("second", "deep/file"), ("to-new", "deep/new")] {
            OutFile::new(&at(name)).unwrap().write(name.as_bytes()).unwrap();
            assert!(at(name).is_symlink(), "{name}");
            assert_eq!(std::fs::read_to_string(at(target)).unwrap(), name);
            assert!(!at(target).is_symlink(), "{target}");
        }
        assert!(OutFile::new(&at("second")).unwrap().is(&at("deep/file")));
        assert!(!OutFile::new(&at("second")).unwrap().is(&at("deep/new")));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "old and long").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let mut open = File::open(&path).unwrap();
        OutFile::new(&path).unwrap().write(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        let mut old = String::new();
        std::io::Read::read_to_string(&mut open, &mut old).unwrap();
        assert_eq!(old, "old and long", "who reads the old one reads all of it");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_pipe_and_a_device_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let out = OutFile::new(&pipe).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| std::fs::read(&pipe).unwrap());
            out.write(b"through").unwrap();
            assert_eq!(reader.join().unwrap(), b"through");
        });
        assert!(!pipe.metadata().unwrap().is_file());
        OutFile::new(Path::new("/dev/null")).unwrap().write(b"gone").unwrap();
        assert!(is_device(&Path::new("/dev/null").metadata().unwrap()));
        let names = ["-", "/dev/stdout", "/proc/self/fd/1"];
        assert!(names.iter().all(|name| OutFile::new(Path::new(name)).unwrap().is_stdout()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_in_an_open_file_stays() {
        use std::os::fd::AsRawFd as _;

        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut file = OpenOptions::new().create(true).append(true).open(at("log")).unwrap();
        file.write_all(b"head\n").unwrap();
        let open = format!("/dev/fd/{}", file.as_raw_fd());
        symlink(&open, at("link")).unwrap();
        for path in
            [PathBuf::from(&open), PathBuf::from(open.replace("/dev/fd", "/proc/self/fd")), at("link")]
        {
            let out = OutFile::new(&path).unwrap();
            out.write(b"more\n").unwrap();
            assert!(!out.is_stdout() && out.is(&at("log")) && !out.is(&at("other")), "{}", path.display());
        }
        file.write_all(b"end\n").unwrap();
        assert_eq!(std::fs::read_to_string(at("log")).unwrap(), "head\nmore\nmore\nmore\nend\n");
    }

    #[test]
    fn a_file_is_written_through_where_no_other_can_be_put_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        // As in a folder that is read-only, which stops no superuser: the temporary name beside it is too long.
        let path = dir.path().join("n".repeat(250));
        std::fs::write(&path, "old and long").unwrap();
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            let out = OutFile::new(path).unwrap();
            assert!(out.is(&link), "an input of that name is not written over");
            out.write(b"new").unwrap();
            assert_eq!(std::fs::read(path).unwrap(), b"new");
        }
        assert_eq!(dir.path().read_dir().unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_cannot_be_written_is_known_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("read-only"), "kept").unwrap();
        std::fs::set_permissions(at("read-only"), std::fs::Permissions::from_mode(0o444)).unwrap();
        symlink("read-only", at("to-read-only")).unwrap();
        symlink("absent/file", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let before = dir.path().read_dir().unwrap().count();
        for (name, problem) in [
            ("", "is a folder"),
            ("absent/file", "its folder does not exist"),
            ("absent/", "names a folder"),
            ("read-only", "is read-only"),
            ("to-read-only", "is read-only"),
            ("read-only/file", "cannot be written"),
            ("dangling", "its folder does not exist"),
            ("circle", "cannot be written"),
            ("socket", "is a socket"),
        ] {
            let error = OutFile::new(&at(name)).unwrap_err();
            assert!(
                matches!(error, Error::File { .. }) && error.to_string().contains(problem),
                "{name}: {error}"
            );
        }
        let long = "n".repeat(250);
        assert!(OutFile::new(&at(&long)).is_err(), "its temporary name is too long");
        assert_eq!(dir.path().read_dir().unwrap().count(), before, "nothing is left");
        assert_eq!(std::fs::read_to_string(at("read-only")).unwrap(), "kept");
    }
}
