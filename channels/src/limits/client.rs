//! Who the client is behind proxies: what a trusted peer says, read from its end.
//!
//! Each proxy appends whom it got the request from, so only the right end is written by somebody who is trusted, and
//! whatever a client has put there itself stands left of that. `X-Forwarded-For` and `Forwarded` are both read; a proxy
//! writes one of them and may hand on the other as the client sent it. Where the two differ neither is believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::config::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's own, or where that is a trusted proxy the one it names.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let forwarded_for = lines(headers, &X_FORWARDED_FOR);
    let forwarded = lines(headers, &header::FORWARDED);
    let by_each = [
        forwarded_for.map(|line| walk(peer, trusted, line.rsplit(',').map(address))),
        forwarded.map(|line| {
            let elements = split(&line, ',').unwrap_or_default();
            walk(peer, trusted, elements.into_iter().rev().map(forwarded_address))
        }),
    ];
    match by_each {
        [Some(one), Some(other)] if one != other => peer,
        [Some(client), _] | [None, Some(client)] => client,
        [None, None] => peer,
    }
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// All lines of a header, as one; what is no text is no address either.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// From the right: trusted hops are passed over, and what is no address ends it at the last good one.
fn walk(peer: IpAddr, trusted: &[Network], hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
    let mut last = peer;
    for hop in hops {
        let Some(hop) = hop else { break };
        last = hop;
        if !is_trusted(hop, trusted) {
            break;
        }
    }
    last
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = match inside {
        Some(inside) => inside.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())),
    };
    bare.map(|address: IpAddr| address.to_canonical())
}

/// The address behind `for=`, if the element has exactly one and it is one.
fn forwarded_address(element: &str) -> Option<IpAddr> {
    let mut found = split(element, ';')?.into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let (first, second) = (found.next()?, found.next());
    if second.is_some() {
        return None;
    }
    // Nothing in an address needs a backslash: what has one is none.
    let unquoted = first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    address(unquoted.unwrap_or(first))
}

/// The parts of a `Forwarded` header, where what is inside of quotes parts nothing. `None` where a quote has no end: a client
/// that leaves one open would have what the proxy appends to it taken for a part of its own.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|c: char| {
        let is_separator = c == at && !is_quoted;
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && is_quoted && !is_escaped;
        is_separator
    });
    let parts = parts.collect();
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// `10.0.0.0/8`, `192.0.2.1` and `2001:db8:f::/48` are trusted.
    fn found(peer: &str, lines: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "192.0.2.1", "2001:db8:f::/48"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_first_from_the_right_who_is_not_trusted_is_the_client() {
        let cases: &[(&str, &str, &str)] = &[
            // Nobody is asked, or the peer is not believed.
            ("203.0.113.9", "", "203.0.113.9"),
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
            ("::ffff:203.0.113.9", "198.51.100.1", "203.0.113.9"),
            // One proxy, and what clients put before it.
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.7, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "127.0.0.1,198.51.100.1", "198.51.100.1"),
            // Several proxies.
            ("10.0.0.1", "198.51.100.1, 10.0.0.2, 192.0.2.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("2001:db8:f::1", "2001:db8:1::7, 2001:db8:f:1::2", "2001:db8:1::7"),
            // All of them are trusted: the outermost.
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "", "10.0.0.1"),
            // With ports, in brackets.
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8:1::7]:4711", "2001:db8:1::7"),
            ("10.0.0.1", "[2001:db8:1::7]", "2001:db8:1::7"),
            ("10.0.0.1", "2001:db8:1::7", "2001:db8:1::7"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            // What is no address ends it where it was still known.
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1,,", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1 10.0.0.2", "10.0.0.1"),
            ("10.0.0.1", "[198.51.100.1]", "10.0.0.1"),
            ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
            ("10.0.0.1", "\"198.51.100.1\"", "10.0.0.1"),
            ("10.0.0.1", "0198.51.100.1", "10.0.0.1"),
        ];
        for (peer, header, client) in cases {
            let lines: &[_] = if header.is_empty() { &[] } else { &[("x-forwarded-for", *header)] };
            assert_eq!(found(peer, lines), *client, "{peer} says {header:?}");
        }
    }

    #[test]
    fn lines_of_one_header_are_one_list() {
        let lines =
            [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(found("10.0.0.1", &lines), "198.51.100.1");
        // A header may hold bytes that are no text.
        let (garbage, good) =
            (HeaderValue::from_bytes(b"\xff, 6.6.6.6").unwrap(), HeaderValue::from_static("198.51.100.1"));
        let trusted = ["10.0.0.1".parse().unwrap()];
        for (first, second, whom) in [(&garbage, &good, "198.51.100.1"), (&good, &garbage, "10.0.0.1")] {
            let mut headers = HeaderMap::new();
            for line in [first, second] {
                headers.append(X_FORWARDED_FOR, line.clone());
            }
            assert_eq!(client("10.0.0.1".parse().unwrap(), &headers, &trusted).to_string(), whom);
        }
    }

    #[test]
    fn forwarded_says_the_same_in_other_words() {
        for (header, client) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=198.51.100.1;Proto=https;By=10.0.0.1", "198.51.100.1"),
            ("proto=https; for=\"198.51.100.1:4711\"", "198.51.100.1"),
            ("for=\"[2001:db8:1::7]:4711\", for=10.0.0.2", "2001:db8:1::7"),
            ("for=6.6.6.6, for=198.51.100.1, for=192.0.2.1", "198.51.100.1"),
            // A comma and a quote that are quoted part nothing.
            ("for=198.51.100.1;by=\"a,\\\",for=6.6.6.6\"", "198.51.100.1"),
            ("for=\"198.51.100.1, for=6.6.6.6\"", "10.0.0.1"),
            // Garbage, hidden and doubled ones.
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=198.51.100.1;for=6.6.6.6", "10.0.0.1"),
            ("by=198.51.100.1", "10.0.0.1"),
            ("198.51.100.1", "10.0.0.1"),
        ] {
            assert_eq!(found("10.0.0.1", &[("forwarded", header)]), client, "{header}");
        }
        assert_eq!(found("203.0.113.9", &[("forwarded", "for=198.51.100.1")]), "203.0.113.9");
    }

    #[test]
    fn a_quote_that_a_client_leaves_open_swallows_no_proxys_word() {
        // On the left what the client sent, on the right what a proxy appends.
        let clients =
            ["for=6.6.6.6;x=\"", "for=6.6.6.6;x=\"\\", "for=6.6.6.6;x=\"a\";y=\"\\\"", "x=\";for=6.6.6.6;y=\"\""];
        let proxies =
            ["for=198.51.100.1", "for=\"198.51.100.1:4711\"", "for=\"[2001:db8:1::7]\";by=\"[2001:db8:f::1]\""];
        for (client, proxy) in clients.iter().flat_map(|client| proxies.map(|proxy| (client, proxy))) {
            let line = format!("{client}, {proxy}");
            assert_eq!(found("10.0.0.1", &[("forwarded", &line)]), "10.0.0.1", "{line}");
            assert_eq!(found("10.0.0.1", &[("forwarded", client), ("forwarded", proxy)]), "10.0.0.1", "{line}");
        }
    }

    #[test]
    fn a_header_that_the_proxy_only_handed_on_is_not_believed() {
        let spoofed = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=6.6.6.6")];
        assert_eq!(found("10.0.0.1", &spoofed), "10.0.0.1");
        let agreed = [("x-forwarded-for", "6.6.6.6, 198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(found("10.0.0.1", &agreed), "198.51.100.1");
    }
}
