//! Where the server is.

use std::net::SocketAddr;

use crate::Failure;

/// An address, and the request that opens a WebSocket there.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    host: String,
    path: String,
}

impl Target {
    /// Reads `ws://127.0.0.1:9001/ws`.
    ///
    /// # Errors
    ///
    /// If it is none, or not on this machine.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let rest = url.strip_prefix("ws://").ok_or_else(|| format!("{url:?} does not begin with ws://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address: SocketAddr = host.parse().map_err(|_| format!("{host:?} is no address with a port"))?;
        if !address.ip().is_loopback() {
            return Err(format!("{address} is not on this machine: load is for loopback addresses only").into());
        }
        Ok(Self { address, host: host.to_owned(), path: format!("/{path}") })
    }

    /// The same server, for a client that joins no group.
    pub(super) fn quiet(&self) -> Self {
        Self { path: format!("{}?quiet=1", self.path), ..self.clone() }
    }

    /// The opening handshake. Its key is always the same: who answers wrongly is found by its tests, not here.
    pub(super) fn request(&self) -> Vec<u8> {
        let Self { host, path, .. } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2hhbm5lbHMtYmVuY2gtMQ==\r\n\r\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        let target = Target::parse("ws://127.0.0.1:9001/ws").unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (9001, "/ws"));
        assert!(target.quiet().request().starts_with(b"GET /ws?quiet=1 HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"));
        assert!(Target::parse("ws://192.0.2.1:80/ws").unwrap_err().to_string().contains("not on this machine"));
        assert!(Target::parse("http://127.0.0.1:80/").is_err());
        assert!(Target::parse("ws://localhost/ws").is_err());
    }
}
