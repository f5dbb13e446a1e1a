//! The command, as the tests of all subcommands run it.
// Every test binary has its own copy and uses a part of it.
#![allow(dead_code)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// `gpicl` with these arguments in `dir`, untouched by the environment.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpicl"));
    clean(&mut command, dir, args);
    command
}

/// Gives `command` the arguments and the folder, and takes what could decide for it out of its environment.
pub fn clean(command: &mut Command, dir: &Path, args: &[&str]) {
    command.args(args).current_dir(dir).env_remove("GPICL_DATA_DIR").env_remove("RUST_LOG");
}

/// Says, past the test's capture, that something was not tested: nobody should believe that it was.
pub fn skipped(why: &str) {
    let note = format!("SKIPPED: {why}\n");
    std::io::stderr().write_all(note.as_bytes()).expect("stderr is there");
}

/// Runs to the end.
pub fn gpicl(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs and expects success; returns stdout.
pub fn ok(dir: &Path, args: &[&str]) -> String {
    let output = gpicl(dir, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs and expects exit code 2; returns stderr.
pub fn refused(dir: &Path, args: &[&str]) -> String {
    let output = gpicl(dir, args);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}
