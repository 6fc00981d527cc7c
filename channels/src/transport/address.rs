//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use axum::http::request::Parts;

use crate::config::Config;
use crate::limits;

/// The client's address, where the server was started with connect info: the peer's, or what a trusted proxy says.
pub(super) fn of(parts: &Parts, config: &Config) -> Option<IpAddr> {
    // The second is for a socket without an address, such as a Unix socket behind a proxy.
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let peer = peer.or_else(|| parts.extensions.get::<MockConnectInfo<SocketAddr>>().map(|info| info.0))?;
    Some(limits::client(peer.ip(), &parts.headers, config.trusted_proxies()))
}
