//! A network of addresses, as an operator writes it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::ConfigError;

/// One address (`192.0.2.7`, `::1`) or a network of them (`10.0.0.0/8`, `2001:db8::/32`): the values of
/// `WS_TRUSTED_PROXIES`.
///
/// IPv4 addresses that are written as IPv6 (`::ffff:10.0.0.1`) are the same as their short form, in networks and
/// in what is looked up. Bits behind the prefix are nothing.
///
/// ```
/// use channels::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("11.0.0.1".parse().unwrap()));
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    pub(super) const ALLOWED: &str = "addresses and networks with commas between";

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(address.into());
        }
        // Of a mapped network, which has 96 bits before the IPv4 address, the short form would have to be guessed.
        let network = text.parse::<IpNet>().ok().filter(|network| !is_mapped(network.addr()))?;
        Some(Self(network.trunc()))
    }
}

fn is_mapped(address: IpAddr) -> bool {
    address.to_canonical() != address
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = ConfigError;

    /// Takes an address or `address/bits`; white space around it is nothing.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::read(text).ok_or_else(|| ConfigError::text(text, "an address (192.0.2.7, ::1) or a network (10.0.0.0/8)"))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}
