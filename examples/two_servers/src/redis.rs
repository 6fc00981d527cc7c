//! The Redis of both: the one that `REDIS_URL` names, or one of our own.

use std::env;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::Failure;

pub(crate) struct Redis {
    url: String,
    /// Killed when this is dropped.
    own: Option<Child>,
}

impl Redis {
    /// # Errors
    ///
    /// Where there is none and none can be started, with what to do.
    pub(crate) fn find_or_start(folder: &Path) -> Result<Self, Failure> {
        if let Some(url) = env::var("REDIS_URL").ok().filter(|url| !url.is_empty()) {
            return Ok(Self { url, own: None });
        }
        // A socket in a folder of our own is in nobody's way.
        let socket = folder.join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir(folder).kill_on_drop(true);
        // Ctrl-C is for us: it ends after the chats.
        #[cfg(unix)]
        command.process_group(0);
        let own = command.spawn().map_err(|error| {
            format!(
                "redis-server cannot be started: {error}. Install it (on Debian: apt-get install redis-server), or \
                 set REDIS_URL to one that runs."
            )
        })?;
        Ok(Self { url: format!("redis+unix://{}", socket.display()), own: Some(own) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Without a secret.
    pub(crate) fn told(&self) -> &'static str {
        if self.own.is_some() { "a Redis of their own" } else { "the Redis of REDIS_URL" }
    }

    /// Ends it, if it is our own.
    pub(crate) async fn end(self) {
        if let Some(mut own) = self.own {
            let _ = own.kill().await;
        }
    }
}
