//! What cargo knows about the workspace and everything it depends on.

use std::path::PathBuf;

use serde_json::Value;

use crate::Failure;
use crate::command::{cargo, output};

/// The answer of `cargo metadata`.
#[derive(Debug)]
pub(crate) struct Metadata(Value);

/// One package of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package<'a>(&'a Value);

impl Metadata {
    /// Asks cargo, with what else it should know (`--all-features`).
    ///
    /// # Errors
    ///
    /// If cargo fails or its answer is no JSON.
    pub(crate) fn load(arguments: &[&str]) -> Result<Self, Failure> {
        let json = output(cargo(&["metadata", "--format-version=1"]).args(arguments))?;
        Ok(Self(serde_json::from_str(&json)?))
    }

    /// Every package, those of the workspace included.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        elements(&self.0["packages"]).map(Package)
    }

    /// A package of this workspace.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub(crate) fn member(&self, name: &str) -> Result<Package<'_>, Failure> {
        let member = self.packages().find(|package| package.is_local() && package.name() == name);
        member.ok_or_else(|| format!("the workspace has no package {name}").into())
    }

    /// Where cargo puts what it builds.
    ///
    /// # Errors
    ///
    /// If cargo does not say.
    pub(crate) fn target_directory(&self) -> Result<PathBuf, Failure> {
        Ok(self.0["target_directory"].as_str().ok_or("cargo tells no target directory")?.into())
    }

    /// The features with which a build of the whole workspace compiles a package.
    pub(crate) fn active_features(&self, package: Package<'_>) -> Vec<&str> {
        let node = elements(&self.0["resolve"]["nodes"]).find(|node| node["id"] == package.0["id"]);
        node.map(|node| elements(&node["features"]).filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn from_json(value: Value) -> Self {
        Self(value)
    }
}

impl<'a> Package<'a> {
    pub(crate) fn name(self) -> &'a str {
        self.text("name").unwrap_or_default()
    }

    pub(crate) fn version(self) -> &'a str {
        self.text("version").unwrap_or_default()
    }

    /// The SPDX expression, if it states one.
    pub(crate) fn license(self) -> Option<&'a str> {
        self.text("license")
    }

    /// The oldest Rust it builds with, if it states one.
    pub(crate) fn rust_version(self) -> Option<&'a str> {
        self.text("rust_version")
    }

    /// Where it comes from; `None` for a package of this workspace.
    pub(crate) fn source(self) -> Option<&'a str> {
        self.text("source")
    }

    /// Whether it is one of ours.
    pub(crate) fn is_local(self) -> bool {
        self.source().is_none()
    }

    /// Every feature but `default`, which only names others.
    pub(crate) fn features(self) -> Vec<&'a str> {
        let features = self.0["features"].as_object();
        let names = features.into_iter().flat_map(|features| features.keys());
        names.map(String::as_str).filter(|name| *name != "default").collect()
    }

    fn text(self, member: &str) -> Option<&'a str> {
        self.0[member].as_str()
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_and_features_are_found() {
        let metadata = Metadata::from_json(json!({
            "packages": [
                {"name": "a", "id": "a 1", "version": "1.0.0", "source": "registry+x", "features": {"x": []}},
                {"name": "b", "id": "b 1", "version": "1.0.0", "source": null,
                 "features": {"default": ["x"], "x": [], "y": []}},
            ],
            "resolve": {"nodes": [{"id": "b 1", "features": ["default", "x"]}]},
        }));
        let b = metadata.member("b").unwrap();
        assert_eq!(b.features(), ["x", "y"]);
        assert_eq!(metadata.active_features(b), ["default", "x"]);
        assert!(metadata.member("a").is_err(), "it is not ours");
    }
}
