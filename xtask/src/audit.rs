//! What the dependencies are: their licences, where they come from, and whether any is unwanted.

use std::collections::BTreeMap;

use crate::features::LIBRARY;
use crate::licenses::Allowed;
use crate::metadata::{Metadata, Package};
use crate::policy::Policy;
use crate::versions::version;
use crate::{Failure, advisories, package};

/// The one place where packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// `cargo xtask audit`.
///
/// # Errors
///
/// If a dependency may not be used; all of them are named.
pub(crate) fn run() -> Result<(), Failure> {
    let metadata = Metadata::load(&["--all-features"])?;
    let policy = Policy::load()?;
    let allowed = Allowed::new(&policy)?;
    let rust = metadata.member(LIBRARY)?.rust_version().map_or([0; 3], version);
    let objections: Vec<_> = metadata
        .packages()
        .flat_map(|package| {
            let why = objections(package, &policy, &allowed, rust);
            why.into_iter().map(move |why| format!("{} {}: {why}", package.name(), package.version()))
        })
        .collect();
    if !objections.is_empty() {
        return Err(objections.join("\n").into());
    }
    let (ours, others): (Vec<_>, Vec<_>) = metadata.packages().partition(|package| package.is_local());
    println!("{} dependencies, all features and platforms, and {} packages of our own", others.len(), ours.len());
    println!("checked: licences, sources and banned crates against deny.toml, and the Rust version each needs");
    println!("checked: doubled versions (told, not refused): {}", doubled(&others));
    let yanked = package::yanked()?;
    if !yanked.is_empty() {
        return Err(yanked.join("\n").into());
    }
    println!("checked: no locked dependency is yanked");
    advisories::check()
}

fn objections(package: Package<'_>, policy: &Policy, allowed: &Allowed, rust: [u64; 3]) -> Vec<String> {
    let mut objections = Vec::new();
    objections.extend(allowed.objection(package.name(), package.license()));
    if package.source().is_some_and(|source| source != REGISTRY) {
        objections.push(format!("comes from {}", package.source().unwrap_or_default()));
    }
    if policy.banned.iter().any(|banned| banned == package.name()) {
        objections.push("is banned by deny.toml".into());
    }
    if let Some(needed) = package.rust_version().filter(|needed| version(needed) > rust) {
        objections.push(format!("needs Rust {needed}, which is newer than what we promise"));
    }
    objections
}

/// Packages that are compiled in more than one version.
fn doubled(packages: &[Package<'_>]) -> String {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(package.name()).or_default().push(package.version());
    }
    let doubled: Vec<_> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| format!("{name} {}", versions.join(" and ")))
        .collect();
    if doubled.is_empty() { "none".into() } else { doubled.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn objections_to(package: Value) -> Vec<String> {
        let policy = Policy { licenses: vec!["MIT".into()], banned: vec!["backoff".into()], ..Policy::default() };
        let allowed = Allowed::new(&policy).unwrap();
        let metadata = Metadata::from_json(json!({"packages": [package]}));
        metadata.packages().flat_map(|package| objections(package, &policy, &allowed, [1, 95, 0])).collect()
    }

    #[test]
    fn a_good_package_is_fine() {
        let fine = json!({"name": "a", "license": "MIT", "source": REGISTRY, "rust_version": "1.95.0"});
        assert_eq!(objections_to(fine), Vec::<String>::new());
    }

    #[test]
    fn every_objection_is_told() {
        let bad = json!({"name": "backoff", "license": "GPL-3.0-only", "source": "git+https://example.org",
                         "rust_version": "1.100"});
        assert_eq!(objections_to(bad).len(), 4);
        assert_eq!(objections_to(json!({"name": "ours", "source": null})), ["states no licence"]);
    }

    #[test]
    fn doubled_versions_are_told() {
        let metadata = Metadata::from_json(json!({"packages": [
            {"name": "a", "version": "1.0.0"}, {"name": "b", "version": "1.0.0"}, {"name": "a", "version": "2.0.0"},
        ]}));
        let packages: Vec<_> = metadata.packages().collect();
        assert_eq!(doubled(&packages), "a 1.0.0 and 2.0.0");
        assert_eq!(doubled(&packages[..2]), "none");
    }
}
