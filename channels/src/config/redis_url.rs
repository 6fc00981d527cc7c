//! The Redis URL: whether it makes sense, and how to show it without its secrets.

/// The schemes of one server, which the Redis client takes, and those of several.
const SCHEMES: [&str; 11] = [
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+unix",
    "valkey+unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// Stands for what is not shown.
pub(super) const HIDDEN: &str = "***";

/// Tells whether the client would take it; without the feature `redis` by its form only.
pub(super) fn is_valid(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    SCHEMES.contains(&scheme)
        && !rest.is_empty()
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
        && client_takes(url)
}

#[cfg(feature = "redis")]
fn client_takes(url: &str) -> bool {
    super::redis_servers::RedisServers::parse(url).is_some()
}

#[cfg(not(feature = "redis"))]
fn client_takes(_: &str) -> bool {
    true
}

/// The URL without user, password and query.
///
/// It is used on wrong URLs too, in which a password may stand anywhere. So it does not cut out
/// what looks like a password, but keeps only what looks like a scheme and an address.
pub(super) fn redact(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => (format!("{scheme}://"), rest),
        Some((_, rest)) => (format!("{HIDDEN}://"), rest),
        None => (String::new(), url),
    };
    // A password may hold an unescaped `@`, an address never does.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{HIDDEN}@"), rest),
        None => (String::new(), rest),
    };
    let (address, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], format!("?{HIDDEN}")),
        None => (rest, String::new()),
    };
    // A single word without a scheme may as well be the password itself.
    if is_address(address) && (!scheme.is_empty() || address.contains(':')) {
        format!("{scheme}{user}{address}{query}")
    } else {
        format!("{scheme}{user}{HIDDEN}")
    }
}

/// Tells whether it is `host[:port][,host[:port]…][/path]` or `/path`, and no `user:password` without its host.
fn is_address(text: &str) -> bool {
    let (authority, path) = match text.find('/') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    is_plain(path, &['/']) && authority.split(',').all(is_host_and_port)
}

fn is_plain(text: &str, more: &[char]) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c) || more.contains(&c))
}

fn is_host_and_port(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => is_plain(address, &[':']),
        None => is_plain(host, &[]),
    };
    is_host && port.is_none_or(|port| !host.is_empty() && port.parse::<u16>().is_ok())
}
