//! What `deny.toml` allows. cargo-deny reads the same file, so there is one list, not two.

use std::fs;

use toml::Table;
use toml::Value;

use crate::Failure;
use crate::command::root;

/// The parts of `deny.toml` that this program understands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// SPDX licences, with their exceptions.
    pub(crate) licenses: Vec<String>,
    /// Licences that one crate alone may have besides.
    pub(crate) exceptions: Vec<(String, Vec<String>)>,
    /// Crates that must not come in.
    pub(crate) banned: Vec<String>,
}

impl Policy {
    /// Reads the file at the top of the repository.
    ///
    /// # Errors
    ///
    /// If there is none, or it does not name any licence.
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = root().join("deny.toml");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let file: Table = text.parse()?;
        let list = |table: &str, name: &str| file.get(table)?.get(name)?.as_array();
        let banned = list("bans", "deny").ok_or("deny.toml: bans.deny is missing")?;
        let exceptions = list("licenses", "exceptions").map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            licenses: words(list("licenses", "allow").ok_or("deny.toml: licenses.allow is missing")?),
            exceptions: exceptions.iter().filter_map(exception).collect(),
            banned: banned.iter().filter_map(crate_name).collect(),
        })
    }
}

fn exception(entry: &Value) -> Option<(String, Vec<String>)> {
    Some((crate_name(entry)?, words(entry.get("allow")?.as_array()?)))
}

fn crate_name(entry: &Value) -> Option<String> {
    Some(entry.get("crate")?.as_str()?.to_owned())
}

fn words(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_and_bans_are_read() {
        let policy = Policy::parse(
            "licenses.allow = ['MIT', 'Zlib']
            licenses.exceptions = [{ crate = 'webdriver', allow = ['MPL-2.0'] }]
            bans.deny = [{ crate = 'backoff', reason = 'unmaintained' }]",
        )
        .unwrap();
        assert_eq!(policy.licenses, ["MIT", "Zlib"]);
        assert_eq!(policy.exceptions, [("webdriver".to_owned(), vec!["MPL-2.0".to_owned()])]);
        assert_eq!(policy.banned, ["backoff"]);
        assert!(Policy::parse("").is_err());
    }

    #[test]
    fn our_own_file_is_understood() {
        let policy = Policy::load().unwrap();
        assert!(policy.licenses.contains(&"MIT".to_owned()) && !policy.banned.is_empty());
    }
}
