//! Which page of the web asks: a browser lets any page open a WebSocket to anywhere, with the user's cookies. What it
//! cannot do is lie about where the page is from.

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use crate::config::{Origin, Origins};
use crate::error::Error;
use crate::limits::Verdicts;

/// Refuses what comes from a foreign page with 403. Who sends no `Origin` is no browser, and passes.
pub(super) fn check(parts: &Parts, allowed: &Origins, verdicts: &Verdicts) -> Result<(), Error> {
    if allowed.allows(&parts.headers, &parts.uri) {
        return Ok(());
    }
    let origins = parts.headers.get_all(ORIGIN).iter().collect::<Vec<_>>();
    let error = Error::authorization("Pages of this origin may not connect here.");
    verdicts.foreign_page(&error, &origins, authority(&parts.headers, &parts.uri), allowed);
    Err(error)
}

impl Origins {
    /// Whether a request may come from the page that it says it is of, as a route that serves a consumer asks it: for what
    /// stands beside the socket, such as a login. Pages of the host that the request is for may, and so may who sends no
    /// `Origin`, as that is no browser.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, Uri};
    /// use channels::Origins;
    ///
    /// let origins: Origins = "https://app.example.com".parse()?;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("host", HeaderValue::from_static("api.example.com"));
    /// for (origin, may) in [
    ///     ("https://app.example.com", true),
    ///     ("https://api.example.com", true),
    ///     ("https://other.example", false),
    /// ] {
    ///     headers.insert("origin", HeaderValue::from_static(origin));
    ///     assert_eq!(origins.allows(&headers, &Uri::from_static("/login")), may);
    /// }
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn allows(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        if self.is_any() {
            return true;
        }
        // Of several, which none but an attacker sends, none is to be believed.
        if origins.next().is_some() {
            return false;
        }
        let Some(origin) = origin.to_str().ok().and_then(Origin::read) else { return false };
        self.allow(&origin) || authority(headers, uri).is_some_and(|authority| origin.is_of(authority))
    }
}

/// The host that the request is for. What stands in the target counts before `Host` (RFC 9112, section 3.2.2).
fn authority<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn is_welcome(parts: &Parts, allowed: &Origins) -> bool {
        allowed.allows(&parts.headers, &parts.uri)
    }

    fn parts(target: &str, hosts: &[&str], origins: &[&[u8]]) -> Parts {
        let (mut parts, ()) = Request::get(target).body(()).unwrap().into_parts();
        for host in hosts {
            parts.headers.append(HOST, host.parse().unwrap());
        }
        for origin in origins {
            parts.headers.append(ORIGIN, HeaderValue::from_bytes(origin).unwrap());
        }
        parts
    }

    /// An origin, the host that the request is for, the list, and whether it passes.
    const TABLE: &[(&str, &str, &str, bool)] = &[
        // The same host and port.
        ("http://example.com", "example.com", "", true),
        ("https://example.com", "example.com", "", true),
        ("http://example.com", "example.com:80", "", true),
        ("https://example.com", "example.com:443", "", true),
        ("http://example.com:80", "example.com", "", true),
        ("https://EXAMPLE.com", "Example.COM", "", true),
        ("HTTPS://example.com", "example.com", "", true),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "", true),
        ("http://localhost:8000", "localhost:8000", "", true),
        ("http://[::1]:8000", "[::1]:8000", "", true),
        ("http://[::1]:8000", "[0:0:0:0:0:0:0:1]:8000", "", true),
        ("http://[2001:DB8::1]", "[2001:db8::1]", "", true),
        ("https://example.com.", "example.com.", "", true),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example", "", true),
        // Another port.
        ("http://example.com:81", "example.com", "", false),
        ("http://example.com", "example.com:443", "", false),
        ("https://example.com", "example.com:80", "", false),
        ("https://example.com", "example.com:8443", "", false),
        ("http://localhost:3000", "localhost:8000", "", false),
        ("http://[::1]:8001", "[::1]:8000", "", false),
        // Another host.
        ("https://example.org", "example.com", "", false),
        ("https://www.example.com", "example.com", "", false),
        ("https://example.com", "www.example.com", "", false),
        ("https://example.com.evil.org", "example.com", "", false),
        ("https://evilexample.com", "example.com", "", false),
        ("https://example.com.", "example.com", "", false),
        ("https://example.com", "example.com.", "", false),
        ("http://localhost", "127.0.0.1", "", false),
        ("http://[::1]", "127.0.0.1", "", false),
        ("http://[::ffff:127.0.0.1]", "127.0.0.1", "", false),
        // No page of the web.
        ("null", "example.com", "", false),
        ("null", "null", "", false),
        ("", "example.com", "", false),
        ("file://", "example.com", "", false),
        ("tauri://example.com", "example.com", "", false),
        ("chrome-extension://example.com", "example.com", "", false),
        ("ws://example.com", "example.com", "", false),
        // What no browser sends.
        ("example.com", "example.com", "", false),
        ("//example.com", "example.com", "", false),
        ("https:example.com", "example.com", "", false),
        ("https://", "example.com", "", false),
        ("https://example.com/", "example.com", "", false),
        ("https://example.com/x", "example.com", "", false),
        ("https://example.com?x", "example.com", "", false),
        ("https://example.com#x", "example.com", "", false),
        ("https://user@example.com", "example.com", "", false),
        ("https://example.com@evil.org", "example.com", "", false),
        ("https://evil.org#@example.com", "example.com", "", false),
        ("https://evil.org\\@example.com", "example.com", "", false),
        ("https://example.com:", "example.com", "", false),
        ("https://example.com:443x", "example.com", "", false),
        ("https://example.com:+443", "example.com", "", false),
        ("https://example.com:99999", "example.com", "", false),
        ("https://example..com", "example..com", "", false),
        ("https://.example.com", "example.com", "*.example.com", false),
        ("https://example.com, https://evil.org", "example.com", "", false),
        ("https://evil.org https://example.com", "example.com", "", false),
        (" https://example.com", "example.com", "", false),
        ("https://exam%70le.com", "example.com", "", false),
        ("https://ex\u{430}mple.com", "example.com", "", false),
        ("https://b\u{fc}cher.example", "xn--bcher-kva.example", "", false),
        ("http://0x7f.1", "127.0.0.1", "", false),
        ("http://2130706433", "127.0.0.1", "", false),
        ("http://[::1", "[::1", "", false),
        ("http://[::1%25eth0]", "[::1%25eth0]", "", false),
        // What the request is for makes no sense: only the list counts.
        ("https://example.com", "user@example.com", "", false),
        ("https://example.com", "", "", false),
        ("https://example.com", "", "example.com", true),
        // An exact host.
        ("https://app.example.com", "api.example.com", "app.example.com", true),
        ("http://app.example.com", "api.example.com", "app.example.com", true),
        ("https://APP.example.com", "api.example.com", "app.EXAMPLE.com", true),
        ("https://app.example.com:443", "api.example.com", "app.example.com", true),
        ("https://app.example.com:8443", "api.example.com", "app.example.com", false),
        ("https://app.example.com:8443", "api.example.com", "app.example.com:8443", true),
        ("https://app.example.com", "api.example.com", "app.example.com:8443", false),
        ("https://app.example.com", "api.example.com", "app.example.com:443", true),
        ("http://app.example.com", "api.example.com", "app.example.com:443", false),
        ("https://other.example.com", "api.example.com", "app.example.com", false),
        ("https://app.example.com.evil.org", "api.example.com", "app.example.com", false),
        ("https://evilapp.example.com", "api.example.com", "app.example.com", false),
        ("https://x.app.example.com", "api.example.com", "app.example.com", false),
        ("https://app.example.com.", "api.example.com", "app.example.com", false),
        ("tauri://app.example.com", "api.example.com", "app.example.com", false),
        ("null", "api.example.com", "app.example.com", false),
        ("https://b.example", "api.example.com", "a.example, b.example", true),
        ("http://[::1]:3000", "api.example.com", "[0::1]:3000", true),
        // The list adds to what is the same.
        ("https://api.example.com", "api.example.com", "app.example.com", true),
        // An exact origin.
        ("https://app.example.com", "api.example.com", "https://app.example.com", true),
        ("http://app.example.com", "api.example.com", "https://app.example.com", false),
        ("https://app.example.com:8443", "api.example.com", "https://app.example.com", false),
        ("https://app.example.com", "api.example.com", "https://app.example.com:443", true),
        ("tauri://localhost", "api.example.com", "tauri://localhost", true),
        ("http://localhost", "api.example.com", "tauri://localhost", false),
        ("chrome-extension://abcdef", "api.example.com", "chrome-extension://abcdef", true),
        // What is below a host.
        ("https://app.example.com", "api.example.org", "*.example.com", true),
        ("https://a.b.example.com", "api.example.org", "*.example.com", true),
        ("https://App.Example.Com", "api.example.org", "*.example.com", true),
        ("https://example.com", "api.example.org", "*.example.com", false),
        ("https://evilexample.com", "api.example.org", "*.example.com", false),
        ("https://example.com.evil.org", "api.example.org", "*.example.com", false),
        ("https://a.example.com.evil.org", "api.example.org", "*.example.com", false),
        ("https://a.example.com.", "api.example.org", "*.example.com", false),
        ("https://a..example.com", "api.example.org", "*.example.com", false),
        ("https://evil.org/.example.com", "api.example.org", "*.example.com", false),
        ("https://evil.org:80.example.com", "api.example.org", "*.example.com", false),
        ("https://app.example.com:8443", "api.example.org", "*.example.com", false),
        ("https://app.example.com:8443", "api.example.org", "*.example.com:8443", true),
        ("http://app.example.com", "api.example.org", "https://*.example.com", false),
        ("https://app.example.com", "api.example.org", "https://*.example.com", true),
        // Anybody.
        ("https://evil.org", "example.com", "*", true),
        ("null", "example.com", "*", true),
        ("nonsense", "", "*", true),
    ];

    #[test]
    fn who_passes() {
        let mut wrong = Vec::new();
        for (origin, host, allowed, passes) in TABLE {
            let hosts: &[&str] = if host.is_empty() { &[] } else { &[host] };
            let parts = parts("/ws", hosts, &[origin.as_bytes()]);
            if is_welcome(&parts, &allowed.parse().unwrap()) != *passes {
                wrong.push(format!("{origin:?} at {host:?}, allowed {allowed:?}: passes is not {passes}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn who_sends_none_passes_and_who_sends_two_does_not() {
        let same = Origins::same();
        let own = b"https://example.com";
        assert!(is_welcome(&parts("/ws", &["example.com"], &[]), &same));
        assert!(is_welcome(&parts("/ws", &[], &[]), &same));
        assert!(is_welcome(&parts("/ws", &["example.com"], &[own]), &same));
        assert!(!is_welcome(&parts("/ws", &["example.com"], &[own, own]), &same));
        assert!(!is_welcome(&parts("/ws", &["example.com"], &[own, b"https://evil.org"]), &same));
        assert!(!is_welcome(&parts("/ws", &["example.com", "evil.org"], &[own]), &same));
        assert!(!is_welcome(&parts("/ws", &["example.com"], &[b"https://ex\xe4mple.com"]), &same));
    }

    #[test]
    fn the_authority_of_the_target_counts_before_the_host() {
        let same = Origins::same();
        let own: &[&[u8]] = &[b"https://example.com"];
        assert!(is_welcome(&parts("https://example.com/ws", &[], own), &same));
        assert!(is_welcome(&parts("https://example.com/ws", &["evil.org"], own), &same));
        assert!(!is_welcome(&parts("https://evil.org/ws", &["example.com"], own), &same));
        assert!(!is_welcome(&parts("https://user@example.com/ws", &[], own), &same));
    }
}
