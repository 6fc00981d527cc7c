#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod docs;
mod dotenv_file;
mod errors;
mod layers;
mod secrets;
mod unknown;
mod values;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::settings::{Settings, VARIABLES};
use super::*;

fn with(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::builder().vars(vars.iter().copied())?.build()
}

fn refused(vars: &[(&str, &str)]) -> String {
    with(vars).expect_err("refused").to_string()
}

/// A directory of one test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("channels-config-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn dotenv(&self, text: impl AsRef<[u8]>) -> (env::Vars, Vec<String>) {
        let path = self.0.join(".env");
        std::fs::write(&path, text).unwrap();
        let (vars, problems) = dotenv::read(&path);
        let shown = |problem: error::Problem| problem.to_string().replace(&path.display().to_string(), ".env");
        (vars, problems.into_iter().map(shown).collect())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pairs(vars: &env::Vars) -> Vec<(&str, &str)> {
    vars.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect()
}
