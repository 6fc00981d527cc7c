//! The order of the modules, and the size of the files, as the design says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each line may use those above it, and its own.
const ORDER: [&[&str]; 11] = [
    &["close", "docs", "id", "names"],
    &["error"],
    &["config", "limits", "message", "rate_limit", "spans", "stats", "timings", "validate", "websocket"],
    &["backend"],
    &["connection"],
    &["layer"],
    &["extract", "inspector", "metrics", "middleware"],
    &["consumer"],
    &["tls", "transport"],
    &["testing"],
    &["fuzzing", "prelude", "private"],
];
/// Of a file, without comments.
const MOST_LINES: usize = 600;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels/src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The module of the root that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(source()).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// A file's code: without comments, docs, and the unit tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_doc = |line: &str| line.trim_start().starts_with("//") || line.contains("doc = \"");
    text.lines().filter(|line| !is_doc(line)).collect::<Vec<_>>().join("\n")
}

/// The modules that a file names in `crate::…` and `crate::{…}`.
fn uses(code: &str) -> BTreeSet<String> {
    let name = |rest: &str| -> String { rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split('}').next().unwrap().split(',').map(|item| name(item.trim()))),
            None => drop(found.insert(name(rest))),
        }
    }
    found
}

fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let mut graph = BTreeMap::<String, BTreeSet<String>>::new();
    for path in files(&source()) {
        let module = module(&path);
        if module != "lib" {
            let used = uses(&code(&path)).into_iter().filter(|used| *used != module);
            graph.entry(module.clone()).or_default().extend(used);
        }
    }
    graph
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

#[test]
fn modules_depend_one_way() {
    let graph = graph();
    assert!(graph["layer"].contains("backend") && graph["consumer"].contains("layer"), "it reads nothing: {graph:?}");
    let mut wrong = Vec::new();
    for (module, uses) in &graph {
        let Some(own) = rank(module) else {
            wrong.push(format!("`{module}` has no place in the order"));
            continue;
        };
        for used in uses {
            match rank(used) {
                Some(theirs) if theirs <= own => {}
                Some(_) => wrong.push(format!("`{module}` uses `{used}`, which stands above it")),
                None => wrong.push(format!("`{module}` uses `crate::{used}`, which is no module: name its module")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_have_no_circle() {
    let graph = graph();
    for start in graph.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = graph[start].iter().collect();
        while let Some(module) = next.pop() {
            assert_ne!(module, start, "`{start}` uses itself through others");
            if seen.insert(module) {
                next.extend(graph.get(module).into_iter().flatten());
            }
        }
    }
}

#[test]
fn a_backend_knows_neither_sockets_nor_axum_nor_values_of_serde() {
    // Where the sockets to Redis are made.
    let dials = ["dial.rs", "tls.rs"].map(|file| source().join("backend/redis").join(file));
    for path in files(&source().join("backend")) {
        for word in ["axum", "serde", "tungstenite", "TcpStream", "Connection,", "crate::connection"] {
            let is_redis_own = word == "TcpStream" && dials.contains(&path);
            assert!(is_redis_own || !code(&path).contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn files_are_small_and_the_root_only_exports() {
    let workspace = [
        "../channels/src",
        "../channels-macros/src",
        "../examples",
        "../tests",
        "../cli",
        "../xtask/src",
        "../load",
        "../bench",
    ];
    for folder in workspace {
        for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//")).count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
        }
    }
    let root = code(&source().join("lib.rs"));
    for word in ["fn ", "impl ", "struct ", "enum ", "trait ", "macro_rules!"] {
        assert!(!root.contains(word), "lib.rs holds a {word}");
    }
}

#[test]
fn the_reader_of_the_code_sees_every_way_to_name_a_module() {
    let code =
        "use crate::error::Error;\nuse crate::{close, id::UserId};\nlet x = <$crate::hidden>::y(crate::layer::z());";
    let found: Vec<_> = uses(code).into_iter().collect();
    assert_eq!(found, ["close", "error", "id", "layer"]);
}
