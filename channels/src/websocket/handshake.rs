//! The request that asks for a WebSocket, over HTTP/1.1 (RFC 6455) and HTTP/2 (RFC 8441).

use axum::http::header::{
    ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};

/// Appended to the client's key before it is hashed.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How many bytes a client's key stands for.
const KEY_BYTES: usize = 16;
/// The one version of the protocol.
const VERSION: &str = "13";

/// A request that may become a WebSocket.
pub(crate) struct Handshake {
    /// Absent over HTTP/2, which needs none.
    accept: Option<HeaderValue>,
    on_upgrade: OnUpgrade,
}

/// Why a request is none for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWebSocket {
    /// 405, with the method that begins one.
    Method(&'static str),
    /// 426: the headers ask for no upgrade, or nothing can be upgraded.
    NoUpgrade,
    /// 426, with the version that is spoken.
    Version,
    /// 400.
    Wrong(&'static str),
}

impl IntoResponse for NoWebSocket {
    fn into_response(self) -> Response {
        let upgrade = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
        match self {
            Self::Method(method) => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, method)]).into_response(),
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, upgrade, "This is for WebSockets.").into_response(),
            Self::Version => {
                let version = [(SEC_WEBSOCKET_VERSION, VERSION)];
                (StatusCode::UPGRADE_REQUIRED, upgrade, version, "The version of the protocol is 13.").into_response()
            }
            Self::Wrong(words) => (StatusCode::BAD_REQUEST, words).into_response(),
        }
    }
}

impl Handshake {
    /// Looks at a request and takes what is needed to upgrade it.
    ///
    /// # Errors
    ///
    /// What is no WebSocket's request.
    pub(crate) fn take(parts: &mut Parts) -> Result<Self, NoWebSocket> {
        let accept = if parts.version < Version::HTTP_2 {
            Some(check_http1(parts)?)
        } else {
            check_http2(parts)?;
            None
        };
        if parts.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
            return Err(NoWebSocket::Version);
        }
        let on_upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(NoWebSocket::NoUpgrade)?;
        Ok(Self { accept, on_upgrade })
    }

    /// The answer, and the future of the connection behind it.
    pub(crate) fn accept(self, protocol: Option<&str>, extensions: Option<HeaderValue>) -> (Response, OnUpgrade) {
        (switching(self.accept, protocol, extensions), self.on_upgrade)
    }
}

/// 101, or 200 over HTTP/2.
fn switching(accept: Option<HeaderValue>, protocol: Option<&str>, extensions: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    let chosen = protocol.and_then(|protocol| HeaderValue::from_str(protocol).ok());
    let optional = [(SEC_WEBSOCKET_PROTOCOL, chosen), (SEC_WEBSOCKET_EXTENSIONS, extensions)];
    headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    if let Some(accept) = accept {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    response
}

fn check_http1(parts: &Parts) -> Result<HeaderValue, NoWebSocket> {
    if parts.method != Method::GET {
        return Err(NoWebSocket::Method("GET"));
    }
    if parts.version < Version::HTTP_11 {
        return Err(NoWebSocket::Wrong("A WebSocket needs HTTP/1.1."));
    }
    let headers = &parts.headers;
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(NoWebSocket::NoUpgrade);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(NoWebSocket::Wrong("`Sec-WebSocket-Key` stands there once."));
    };
    accept_key(key.as_bytes()).ok_or(NoWebSocket::Wrong("`Sec-WebSocket-Key` is 16 bytes in base64."))
}

fn check_http2(parts: &Parts) -> Result<(), NoWebSocket> {
    if parts.method != Method::CONNECT {
        return Err(NoWebSocket::Method("CONNECT"));
    }
    match parts.extensions.get::<Protocol>() {
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => Ok(()),
        _ => Err(NoWebSocket::Wrong("`:protocol` is `websocket`.")),
    }
}

/// Whether a header's comma-separated values name something.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

/// `None` for what is no key.
fn accept_key(key: &[u8]) -> Option<HeaderValue> {
    let mut bytes = [0; KEY_BYTES + 2];
    let len = BASE64_STANDARD.decode_slice(key, &mut bytes).ok()?;
    if len != KEY_BYTES {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize();
    HeaderValue::from_str(&BASE64_STANDARD.encode(digest)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_the_standard() {
        let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_key_gets_no_answer() {
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "c2hvcnQ=", "not base64 at all!!!!!!!", &"A".repeat(4096)] {
            assert!(accept_key(key.as_bytes()).is_none(), "{key}");
        }
    }
}
