//! How a server is to be started.

use super::server::RedisServer;

/// What a server has besides its port; [`RedisServer::start`] has nothing of it.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    pub(super) tls: bool,
    pub(super) unix_socket: bool,
    pub(super) user: Option<(String, String)>,
    pub(super) persistent: bool,
    pub(super) sentinel: bool,
    pub(super) cluster: bool,
    pub(super) rewrites: bool,
    pub(super) lines: Vec<(String, String)>,
}

impl RedisOptions {
    /// A port for TLS too, with a certificate of a private authority.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// A Unix socket too.
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// The only user, who may do everything: without the password nobody gets in. The user `default` needs no name.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Each write is on disk before it is answered, so that [`RedisServer::restart`] has it.
    pub fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// At most this memory, such as `2mb`; then writes are refused.
    pub fn maxmemory(self, size: &str) -> Self {
        self.config("maxmemory", size).config("maxmemory-policy", "noeviction")
    }

    /// A subscriber is cut off at `hard`, or after `seconds` above `soft`; sizes such as `256kb`.
    pub fn pubsub_buffer_limit(self, hard: &str, soft: &str, seconds: u32) -> Self {
        self.config("client-output-buffer-limit", &format!("pubsub {hard} {soft} {seconds}"))
    }

    /// Any line of `redis.conf`.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A server that Sentinels watch: what they make of it stays so when it is restarted.
    pub(super) fn watched(mut self) -> Self {
        self.rewrites = true;
        self.replicating()
    }

    /// A Sentinel instead of a server.
    pub(super) fn sentinel(mut self) -> Self {
        (self.sentinel, self.rewrites) = (true, true);
        self
    }

    /// A node of a Cluster.
    pub(super) fn cluster(mut self) -> Self {
        self.cluster = true;
        self.replicating()
    }

    /// One that may become a replica of another with the same options, and does so at once.
    fn replicating(mut self) -> Self {
        if let Some((name, password)) = self.user.clone() {
            if name != "default" {
                self = self.config("masteruser", &name);
            }
            self = self.config("masterauth", &quoted(&password));
        }
        self.config("repl-diskless-sync-delay", "0")
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    ///
    /// If `redis-server` is missing, with the command that installs it, or does not start, with its log.
    pub fn start(self) -> RedisServer {
        RedisServer::with(self)
    }
}

/// As a value of `redis.conf`.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
