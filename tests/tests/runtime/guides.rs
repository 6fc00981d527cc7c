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

/// A guide without what stands between fences, and its code.
fn words_and_code(guide: &str) -> (String, String) {
    let text = text(&format!("src/docs/{guide}.md"));
    let (mut words, mut code) = (String::new(), String::new());
    for (number, piece) in text.split("```").enumerate() {
        if number % 2 == 0 { &mut words } else { &mut code }.push_str(piece);
    }
    (words, code)
}

/// The links that are defined in a text: each by its label, and where it leads.
fn definitions(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("[`")?.split_once("`]: "));
    lines.filter(|(_, target)| !target.contains(' ')).map(|(label, to)| (label.to_owned(), to.to_owned())).collect()
}

/// Whoever reads the file sees every line.
#[test]
fn no_line_of_a_guide_is_hidden() {
    for guide in guides() {
        let (_, code) = words_and_code(&guide);
        let hidden: Vec<_> = code.lines().filter(|line| *line == "#" || line.starts_with("# ")).collect();
        assert!(hidden.is_empty(), "{guide}: {hidden:#?}");
    }
}

/// Each link leads somewhere in the repository, and somewhere else in the documentation.
#[test]
fn links_of_guides_lead_somewhere_in_both_places() {
    let documented = definitions(&text("src/docs/links.md"));
    // What only a feature adds.
    let by_feature = text("src/docs/mod.rs");
    for guide in guides() {
        let (words, _) = words_and_code(&guide);
        for kind in ["](crate::", "](macro@", "](derive@", "](mod@", "](fn@"] {
            assert!(!words.contains(kind), "{guide}: `{kind}` leads nowhere in the repository");
        }
        let defined = definitions(&words);
        for (label, target) in &defined {
            let file = target.split('#').next().unwrap();
            assert!(library().join("src/docs").join(file).is_file(), "{guide}: there is no {target} for `{label}`");
            let elsewhere = documented.contains_key(label) || by_feature.contains(&format!("[`{label}`]: "));
            assert!(elsewhere, "{guide}: `{label}` is missing in links.md");
        }
        // `[words][label]`, and `[label]` where nothing follows it that would make it a link of another kind.
        let mut rest = words.as_str();
        while let Some((before, after)) = rest.split_once("[`") {
            let Some((label, after)) = after.split_once("`]") else { break };
            let is_shown = after.starts_with('[') || after.starts_with('(');
            let is_used = before.ends_with(']') || !is_shown;
            assert!(!is_used || defined.contains_key(label), "{guide}: `{label}` leads nowhere in the repository");
            rest = after;
        }
    }
}
