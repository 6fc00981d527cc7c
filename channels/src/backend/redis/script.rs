//! The Lua scripts: each is one atomic step. They are loaded with each connection for commands; where Redis has
//! forgotten them, they go whole.

use std::sync::LazyLock;

use redis::Cmd;
use sha1::{Digest, Sha1};

/// A script and the name that Redis gives it.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    sha: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let sha = Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, sha }
    }

    /// The call, by its name.
    pub(super) fn call(&self, keys: &[String]) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.sha).arg(keys.len()).arg(keys);
        cmd
    }

    /// The command that makes Redis know it.
    pub(super) fn load(&self) -> Cmd {
        let mut cmd = redis::cmd("SCRIPT");
        cmd.arg("LOAD").arg(self.text);
        cmd
    }
}

pub(super) static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/count.lua")));
pub(super) static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/beat.lua")));
pub(super) static PERMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/permit.lua")));
pub(super) static CONDEMN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/condemn.lua")));
pub(super) static RATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/rate.lua")));
pub(super) static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/claim.lua")));
pub(super) static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/settle.lua")));

/// All of them.
pub(super) fn all() -> [&'static Script; 7] {
    [&COUNT, &BEAT, &PERMIT, &CONDEMN, &RATE, &CLAIM, &SETTLE]
}
