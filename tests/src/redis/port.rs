//! Ports for servers that may be away for a while and come back on the same one.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Below what systems give to outgoing connections: while a server is away, nobody is given its port, and a client
/// that tries again and again is never connected to itself, which happens among those.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// How many ports are tried before it is an error.
const TRIES: u32 = 1000;

/// A port that no other test is given while this lives, whether its server runs or not.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    // Of the other protocol, so that it is in nobody's way: what is bound here is taken, for other processes too.
    _claim: UdpSocket,
}

impl Port {
    /// One that nobody listens on.
    ///
    /// # Panics
    ///
    /// If all that were tried are taken.
    pub(super) fn free() -> Self {
        let random = RandomState::new();
        let span = u64::from(PORTS.end - PORTS.start);
        (0..TRIES)
            .map(|attempt| PORTS.start + (random.hash_one(attempt) % span) as u16)
            .find_map(Self::claim)
            .unwrap_or_else(|| panic!("none of {TRIES} ports in {PORTS:?} is free"))
    }

    fn claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _claim: claim })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_nobody_elses_until_it_is_given_back() {
        let port = Port::free();
        let number = port.number();
        assert!(Port::claim(number).is_none());
        drop(port);
        assert!(Port::claim(number).is_some());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_given() {
        let port = Port::free();
        let number = port.number();
        let _listener = TcpListener::bind(port.address()).unwrap();
        drop(port);
        assert!(Port::claim(number).is_none());
    }
}
