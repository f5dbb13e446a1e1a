//! The floor plan: arrows between rooms run down, and no files import each other in a circle.
//!
//! A room is what stands at the top of a crate's `src`: a folder, or a file. An arrow is a path in code that begins with
//! `crate::` or `super::`; comments draw none. It leads to the file where the name is defined, also where a module above
//! exports it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every room of a crate, the lowest first: each knows those before it.
const FLOORS: [(&str, &[&str]); 3] = [
    ("gpicl-ops", &["kind", "cpu", "arguments", "reference", "op"]),
    (
        "gpicl",
        &[
            "error",
            "fs",
            "out_file",
            "provenance",
            "folder",
            "device",
            "rng",
            "data",
            "tasks",
            "models",
            "eval",
            "train",
            "predict",
        ],
    ),
    (
        "gpicl-lab",
        &[
            "table",
            "program",
            "origin",
            "presets",
            "spec",
            "figures",
            "results",
            "meta_test",
            "summary",
            "workers",
            "sweep",
            "compare",
            "reproduce",
            "report",
        ],
    ),
];

/// A file of a crate's `src`.
struct Source {
    path: PathBuf,
    /// Its place in the tree of modules: `["data", "csv"]`; a `mod.rs` has its folder's, `lib.rs` none.
    module: Vec<String>,
    code: String,
}

/// A path in code, from the crate's root, and the line it stands in.
struct Arrow {
    line: usize,
    to: Vec<String>,
}

fn sources(krate: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(krate).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(!found.is_empty(), "{} has no code", root.display());
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module: Vec<String> = path
                .strip_prefix(root)
                .unwrap()
                .with_extension("")
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if ["mod", "lib"].contains(&module.last().unwrap().as_str()) {
                module.pop();
            }
            let code = code(&fs::read_to_string(&path).unwrap());
            found.push(Source { path, module, code });
        }
    }
}

/// `text` with its comments as blanks, line by line. A test of a module may look where the module may not: what follows
/// `#[cfg(test)]` at the start of a line is left out.
fn code(text: &str) -> String {
    let ends = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..ends].lines().map(|line| format!("{}\n", line.split("//").next().unwrap_or_default())).collect()
}

/// All paths that begin at the crate's root or at a parent of the module, groups of names taken apart.
fn arrows(source: &Source) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for (at, word) in ["crate::", "super::"].into_iter().flat_map(|word| source.code.match_indices(word)) {
        let before = source.code[..at].chars().next_back().unwrap_or(' ');
        // The middle of a longer path: `super::super::x` is one.
        if before.is_alphanumeric() || before == '_' || before == ':' {
            continue;
        }
        let line = 1 + source.code[..at].matches('\n').count();
        let mut base = match word {
            "super::" => source.module[..source.module.len().saturating_sub(1)].to_vec(),
            _ => Vec::new(),
        };
        let mut rest = &source.code[at + word.len()..];
        while let Some(further) = rest.strip_prefix("super::") {
            base.pop();
            rest = further;
        }
        for names in expand(rest) {
            arrows.push(Arrow { line, to: [base.clone(), names].concat() });
        }
    }
    arrows
}

/// The paths that the start of `text` stands for: `a::{b, c::d}` is two.
fn expand(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let mut names: Vec<String> =
        text[..end].split("::").filter(|name| !name.is_empty()).map(String::from).collect();
    if !text[end..].starts_with('{') || !(text[..end].is_empty() || text[..end].ends_with("::")) {
        return vec![std::mem::take(&mut names)];
    }
    let inner = &text[end + 1..];
    let (mut depth, mut start, mut paths) = (0_usize, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = inner[start..at].trim();
                if !item.is_empty() {
                    paths.extend(expand(item).into_iter().map(|path| [names.clone(), path].concat()));
                }
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    paths
}

/// A crate's files, and what its modules export again.
struct Tree {
    sources: Vec<Source>,
    modules: BTreeSet<Vec<String>>,
    /// From a name in a module to the path that the module took it from.
    exports: BTreeMap<Vec<String>, Vec<String>>,
}

impl Tree {
    fn read(krate: &str) -> Self {
        let sources = sources(krate);
        let modules: BTreeSet<Vec<String>> = sources.iter().map(|source| source.module.clone()).collect();
        let mut exports = BTreeMap::new();
        for source in &sources {
            for (at, _) in source.code.match_indices("pub use ") {
                for path in expand(&source.code[at + "pub use ".len()..]) {
                    let path = [source.module.clone(), path].concat();
                    let name = [source.module.clone(), path.last().cloned().into_iter().collect()].concat();
                    exports.insert(name, path);
                }
            }
        }
        Self { sources, modules, exports }
    }

    /// The module that the path `to` leads to; none if that is the root, or a name that nothing exports.
    fn target(&self, to: &[String]) -> Option<&[String]> {
        let mut path = to.to_vec();
        // An export of an export of ..: a few at most.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|&part| self.modules.contains(&path[..part]))?;
            let name = path.get(..length + 1);
            match name.and_then(|name| self.exports.get(name)) {
                Some(taken) if *taken != path[..length + 1] => {
                    path = [&taken[..], &path[length + 1..]].concat();
                }
                _ if length == 0 => return None,
                _ => return self.modules.get(&path[..length]).map(Vec::as_slice),
            }
        }
        panic!("{} is exported in a circle", to.join("::"));
    }
}

#[test]
fn arrows_between_rooms_run_down() {
    let mut wrong = Vec::new();
    for (krate, floors) in FLOORS {
        let tree = Tree::read(krate);
        for source in &tree.sources {
            let Some(room) = source.module.first() else { continue };
            let Some(floor) = floors.iter().position(|name| name == room) else {
                wrong.push(format!(
                    "{}: room `{room}` has no floor in the test's table",
                    source.path.display()
                ));
                continue;
            };
            for Arrow { line, to } in arrows(source) {
                let place = format!("{}:{line}: {room} -> {}", source.path.display(), to.join("::"));
                let target = tree.target(&to).and_then(|target| target.first());
                match target.and_then(|target| floors.iter().position(|name| name == target)) {
                    Some(above) if above > floor => wrong.push(format!("{place} runs up")),
                    Some(_) => {}
                    // `use super::*` of a module in a file.
                    None if to.is_empty() && source.module.len() == 1 => {}
                    None => wrong.push(format!("{place} leads to no room: name the room")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file and the files below it in the tree of modules belong together; between any others there is one direction.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for (krate, _) in FLOORS {
        let tree = Tree::read(krate);
        let files: BTreeMap<&[String], &Source> =
            tree.sources.iter().map(|source| (&source.module[..], source)).collect();
        let mut edges: BTreeSet<(&[String], &[String])> = BTreeSet::new();
        for source in &tree.sources {
            for target in arrows(source).iter().filter_map(|arrow| tree.target(&arrow.to)) {
                let from = &source.module[..];
                if !from.starts_with(target) && !target.starts_with(from) {
                    edges.insert((from, target));
                }
            }
        }
        // What leads nowhere, or is led to from nowhere, is no part of a circle: take it away until nothing changes.
        loop {
            let (from, to): (BTreeSet<_>, BTreeSet<_>) = edges.iter().copied().unzip();
            let before = edges.len();
            edges.retain(|(start, end)| to.contains(start) && from.contains(end));
            if edges.len() == before {
                break;
            }
        }
        let name = |module: &[String]| files[module].path.display().to_string();
        circles.extend(edges.iter().map(|(from, to)| format!("{} -> {}", name(from), name(to))));
    }
    assert!(circles.is_empty(), "circles, or ways from one to another:\n{}", circles.join("\n"));
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let source = Source {
        path: PathBuf::from("b/c.rs"),
        module: vec!["b".into(), "c".into()],
        code: code(
            "use crate::x::{Y, z::{V, W}};\n// crate::comment::No\nuse super::super::q::R;\n\
             fn f() { super::d::g() }\n#[cfg(test)]\nmod tests { use crate::tests_only::T; }\n",
        ),
    };
    let found: Vec<(usize, String)> =
        arrows(&source).into_iter().map(|arrow| (arrow.line, arrow.to.join("::"))).collect();
    let expected = [(1, "x::Y"), (1, "x::z::V"), (1, "x::z::W"), (3, "q::R"), (4, "b::d::g")];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_string())));
}
