//! Which pages of the web may connect.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ConfigError;
use super::value::Kind;

/// The pages of the web that may connect, besides those of the server's own host; the values of
/// `WS_ALLOWED_ORIGINS`.
///
/// | entry | allows pages of |
/// |---|---|
/// | `app.example.com` | this host, by http and https on their own ports |
/// | `app.example.com:8443` | this host on this port |
/// | `https://app.example.com` | this host by https only; any scheme may stand there, such as `tauri://localhost` |
/// | `*.example.com` | every host below `example.com`, and not `example.com` itself; a scheme and a port may stand there too |
/// | `*`, by itself | anybody: the check is off; only so pages are let in that have no origin and send `null`, as from a file |
///
/// Hosts are compared without regard to case. One with other letters than ASCII stands there as browsers send it, in
/// punycode: `xn--bcher-kva.example`.
///
/// ```
/// use channels::Origins;
///
/// let origins: Origins = "app.example.com, https://*.example.org:8443".parse()?;
/// assert_eq!(origins.to_string(), "app.example.com,https://*.example.org:8443");
/// assert!("example.com/path".parse::<Origins>().is_err());
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    is_any: bool,
    patterns: Vec<Pattern>,
}

impl Origins {
    const ALLOWED: &str = "hosts, origins and *.hosts with commas between, or *";

    /// Pages of the server's own host and port only: the default.
    ///
    /// ```
    /// assert_eq!(channels::Origins::same(), channels::Origins::default());
    /// ```
    pub fn same() -> Self {
        Self::default()
    }

    /// Any page, as by `*`. Then a page that a user of this server merely looks at can connect in the user's name, if
    /// a cookie is all that it takes.
    ///
    /// ```
    /// assert_eq!(channels::Origins::any().to_string(), "*");
    /// ```
    pub fn any() -> Self {
        Self { is_any: true, patterns: Vec::new() }
    }

    pub(crate) fn is_any(&self) -> bool {
        self.is_any
    }

    pub(crate) fn allow(&self, origin: &Origin) -> bool {
        self.is_any || self.patterns.iter().any(|pattern| pattern.matches(origin))
    }

    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "" => Some(Self::same()),
            "*" => Some(Self::any()),
            list => {
                let patterns = list.split(',').map(|entry| Pattern::read(entry.trim())).collect::<Option<_>>()?;
                Some(Self { is_any: false, patterns })
            }
        }
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any {
            return f.write_str("*");
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            write!(f, "{}{pattern}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Origins {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::read(text).ok_or_else(|| ConfigError::text(text, &OriginList.expected()))
    }
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// `None` is http and https.
    scheme: Option<String>,
    /// What is below the host, and not the host itself.
    is_below: bool,
    host: String,
    port: Option<u16>,
}

impl Pattern {
    fn read(entry: &str) -> Option<Self> {
        // What a page sends that has no origin, such as a sandboxed frame's. As a host it would match nobody.
        if entry.eq_ignore_ascii_case("null") {
            return None;
        }
        let (scheme, rest) = match entry.split_once("://") {
            Some((scheme, rest)) => (Some(read_scheme(scheme)?), rest),
            None => (None, entry),
        };
        let (is_below, authority) = match rest.strip_prefix("*.") {
            Some(authority) => (true, authority),
            None => (false, rest),
        };
        let (host, port) = read_authority(authority)?;
        // An address has nothing below it; and of a host with a dot at its end nobody thinks.
        let is_name = !host.starts_with('[') && host.parse::<Ipv4Addr>().is_err();
        if host.ends_with('.') || (is_below && !is_name) {
            return None;
        }
        Some(Self { scheme, is_below, host, port })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let has_scheme = match &self.scheme {
            Some(scheme) => *scheme == origin.scheme,
            None => default_port(&origin.scheme).is_some(),
        };
        let has_host = if self.is_below {
            // The dot before it keeps `evilexample.com` out.
            origin.host.strip_suffix(&self.host).is_some_and(|below| below.ends_with('.'))
        } else {
            self.host == origin.host
        };
        has_scheme && has_host && self.port.or_else(|| default_port(&origin.scheme)) == origin.port
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}{}", if self.is_below { "*." } else { "" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// What a browser says of the page that connects (RFC 6454, section 6.2).
#[derive(Debug)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    /// Where none stands, the scheme's own.
    port: Option<u16>,
}

impl Origin {
    /// `None` for `null`, and for what no browser sends: a path, a user, letters that are not ASCII.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = read_scheme(scheme)?;
        let (host, port) = read_authority(authority)?;
        let port = port.or_else(|| default_port(&scheme));
        Some(Self { scheme, host, port })
    }

    /// Whether the page came from the host and port that the request is for: the `Host` header, or `:authority`.
    ///
    /// Whether the request came by TLS is not known, as a proxy may have taken it off: `http://` and `https://` pages of
    /// one host are both its own.
    pub(crate) fn is_of(&self, authority: &str) -> bool {
        let Some(default) = default_port(&self.scheme) else { return false };
        read_authority(authority)
            .is_some_and(|(host, port)| host == self.host && Some(port.unwrap_or(default)) == self.port)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn read_scheme(text: &str) -> Option<String> {
    let is_in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_in_scheme);
    is_scheme.then(|| text.to_ascii_lowercase())
}

/// `host`, `host:port`, `[address]` or `[address]:port`, each in one way of writing it.
fn read_authority(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (format!("[{address}]"), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (read_name(host)?, port)
        }
    };
    match port.strip_prefix(':') {
        // `parse` would take a sign.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        None if port.is_empty() => Some((host, None)),
        _ => None,
    }
}

/// A name of labels that are not empty; one dot may stand at its end, which makes it another name.
fn read_name(text: &str) -> Option<String> {
    let is_in_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let labels = text.strip_suffix('.').unwrap_or(text);
    if !labels.split('.').all(|label| !label.is_empty() && label.chars().all(is_in_label)) {
        return None;
    }
    // A host whose last label is a number is an address for browsers, or nothing.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if labels.rsplit('.').next().is_some_and(is_number) && labels.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// The kind of `WS_ALLOWED_ORIGINS`.
pub(super) struct OriginList;

impl Kind for OriginList {
    type Value = Origins;

    fn read(&self, text: &str) -> Option<Origins> {
        Origins::read(text)
    }
    fn show(&self, value: &Origins) -> String {
        value.to_string()
    }
    fn allows(&self, _: &Origins) -> bool {
        true
    }
    fn unit(&self) -> &'static str {
        "origins"
    }
    fn allowed(&self) -> String {
        Origins::ALLOWED.to_owned()
    }
    fn expected(&self) -> String {
        format!(
            "{} (app.example.com, app.example.com:8443, https://app.example.com, *.example.com), without paths and in \
             ASCII; pages whose origin is `null` are let in by * only",
            self.allowed()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_refused() {
        for wrong in [
            ",",
            "a.example,",
            "a.example,,b.example",
            "*,a.example",
            "**",
            "*.",
            "*.*.example",
            "a*.example",
            "*example.com",
            "https://",
            "https://*",
            "://a.example",
            "1http://a.example",
            "a.example/",
            "https://a.example/path",
            "a.example?x",
            "user@a.example",
            "a b.example",
            "a..example",
            ".example",
            "example.com.",
            "a.example:",
            "a.example:+80",
            "a.example:65536",
            "a.example:80:80",
            "[::1",
            "[::g]",
            "*.[::1]",
            "*.127.0.0.1",
            "::1",
            "0",
            "1.2.3",
            "1.2.3.256",
            "bücher.example",
            "null",
            "a.example, NULL",
        ] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong:?}");
        }
        assert_eq!(
            "a.example/".parse::<Origins>().unwrap_err().to_string(),
            "\"a.example/\" is not valid: expected hosts, origins and *.hosts with commas between, or * \
             (app.example.com, app.example.com:8443, https://app.example.com, *.example.com), without paths and in ASCII; \
             pages whose origin is `null` are let in by * only"
        );
    }

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for list in ["", "*", "a.example", "a.example:8443,https://*.b.example:1,tauri://localhost,[::1]:80,*.c_d"] {
            let origins: Origins = list.parse().unwrap();
            assert_eq!(origins.to_string(), list);
        }
        let shouted: Origins = " HTTPS://*.Example.COM , [0:0::1] ".parse().unwrap();
        assert_eq!(shouted.to_string(), "https://*.example.com,[::1]");
    }
}
