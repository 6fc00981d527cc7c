//! Where a server lives: its ports, its folder, and its configuration within.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;

use tempfile::TempDir;

use super::authority::Authority;
use super::options::{RedisOptions, quoted};
use super::port::Port;

/// Taken for as long as the server may come back, and nobody else's.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) plain: Port,
    pub(super) tls: Option<Port>,
    pub(super) bus: Option<Port>,
    pub(super) authority: Option<Authority>,
    folder: TempDir,
}

impl Place {
    pub(super) fn new(options: &RedisOptions) -> Self {
        let folder = TempDir::with_prefix("channels-redis-").unwrap();
        Self {
            plain: Port::free(),
            tls: options.tls.then(Port::free),
            bus: options.cluster.then(Port::free),
            authority: options.tls.then(|| Authority::create(folder.path())),
            folder,
        }
    }

    /// What it keeps.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Where its output goes, behind that of the process before.
    pub(super) fn open_log(&self) -> File {
        File::options().create(true).append(true).open(self.log_path()).unwrap()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("redis.log")
    }

    /// Its configuration, ready to be started with.
    pub(super) fn prepare(&self, options: &RedisOptions) -> PathBuf {
        fs::create_dir_all(self.data()).unwrap();
        let file = self.folder.path().join("redis.conf");
        // Sentinels write what they learned into their own and into those of their servers.
        if !(options.rewrites && file.exists()) {
            fs::write(&file, self.configuration(options)).unwrap();
        }
        file
    }

    fn configuration(&self, options: &RedisOptions) -> String {
        let mut lines = format!("bind 127.0.0.1 -::1\nport {}\n", self.plain.number());
        let mut line = |name: &str, value: &str| writeln!(lines, "{name} {value}").unwrap();
        line("dir", &quoted(&self.data().display().to_string()));
        if !options.sentinel {
            line("save", "\"\"");
            line("appendfsync", "always");
            line("appendonly", if options.persistent { "yes" } else { "no" });
        }
        if let (Some(port), Some(files)) = (&self.tls, &self.authority) {
            line("tls-port", &port.number().to_string());
            line("tls-auth-clients", "no");
            line("tls-ca-cert-file", &quoted(&files.certificate.display().to_string()));
            line("tls-cert-file", &quoted(&files.server_certificate.display().to_string()));
            line("tls-key-file", &quoted(&files.server_key.display().to_string()));
        }
        if options.unix_socket {
            line("unixsocket", &quoted(&self.socket().display().to_string()));
        }
        match &options.user {
            Some((name, password)) if name == "default" => line("requirepass", &quoted(password)),
            Some((name, password)) => {
                line("user", "default off");
                line("user", &format!("{name} on {} ~* &* +@all", quoted(&format!(">{password}"))));
            }
            None => {}
        }
        if let Some(port) = &self.bus {
            line("cluster-enabled", "yes");
            line("cluster-port", &port.number().to_string());
        }
        for (name, value) in &options.lines {
            line(name, value);
        }
        lines
    }
}
