//! The guides, which are read here and in the repository, and what they list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels")
}

fn text(path: &str) -> String {
    fs::read_to_string(library().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a section of `Cargo.toml`, by their name.
fn section(name: &str) -> BTreeMap<String, String> {
    let manifest = text("Cargo.toml");
    let (_, below) = manifest.split_once(&format!("\n[{name}]\n")).unwrap();
    let lines = below.lines().take_while(|line| !line.starts_with('['));
    let pairs = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_feature_has_its_row() {
    let mut features = section("features");
    let default = features.remove("default").unwrap();
    let expected: Vec<_> =
        features.keys().map(|name| (name.clone(), default.contains(&format!("\"{name}\"")))).collect();
    let tour = text("src/docs/tour.md");
    let (_, table) = tour.split_once("| feature | default | what it adds |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let mut listed: Vec<_> = cells.map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2] == "yes")).collect();
    listed.sort();
    assert_eq!(listed, expected);
}

/// Whoever looks for a guide finds it: in the tour, and in the README.
#[test]
fn every_guide_is_listed() {
    let tour = text("src/docs/tour.md");
    let (_, places) = tour.split_once("# Where to look").unwrap();
    let readme = text("../README.md");
    for guide in guides().into_iter().filter(|guide| guide != "tour") {
        assert!(places.contains(&format!("- [`docs::{guide}`]: ")), "{guide} is missing in the tour");
        assert!(readme.contains(&format!("(channels/src/docs/{guide}.md)")), "{guide} is missing in the README");
    }
}

/// The names of the guides.
fn guides() -> Vec<String> {
    let files = fs::read_dir(library().join("src/docs")).unwrap().map(|entry| entry.unwrap().path());
    let guides = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let names = guides.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let guides: Vec<_> = names.filter(|name| name != "links").collect();
    assert!(guides.len() >= 9, "{guides:?}");
    guides
}
