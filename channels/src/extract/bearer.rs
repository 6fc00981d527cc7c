//! A token among the subprotocols: the one header that a script in a browser may choose.

use std::fmt;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::error::Error;

const PREFIX: &str = "bearer.";

/// The token of a client that names the subprotocol `bearer.<token in base64url, without padding>`; an extractor of
/// `#[accept]`. It is never echoed, and `Debug` does not show it.
///
/// A client names a protocol that is spoken beside it, as a browser ends a connection whose server chose none:
///
/// ```js
/// const token = btoa(secret).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
/// new WebSocket('wss://example.com/ws', ['channels.v1.json', `bearer.${token}`]);
/// ```
///
/// Where none is named, one that is no base64url of UTF-8, or more than one, the client gets 401. As an
/// `Option<BearerProtocol>` it may be missing.
///
/// ```
/// use channels::extract::BearerProtocol;
/// use channels::prelude::*;
///
/// struct Feed { user: UserId }
///
/// #[consumer]
/// impl Feed {
///     #[accept]
///     async fn accept(token: BearerProtocol) -> Result<Self, channels::Error> {
///         let user = look_up(token.token()).await;
///         user.map(|user| Self { user }).ok_or_else(|| channels::Error::authentication("Please sign in first."))
///     }
///     # #[on_text] fn text(&self, _text: ByteString) { let _ = &self.user; }
/// }
/// # async fn look_up(_token: &str) -> Option<UserId> { None }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BearerProtocol(String);

impl BearerProtocol {
    /// The token, decoded. Compare it in constant time, or by looking up its hash.
    pub fn token(&self) -> &str {
        &self.0
    }

    fn read(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
        let mut tokens = values.flat_map(|list| list.split(',')).filter_map(|name| name.trim().strip_prefix(PREFIX));
        let Some(token) = tokens.next() else { return Ok(None) };
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match (decoded, tokens.next()) {
            (Some(token), None) if !token.is_empty() => Ok(Some(Self(token))),
            _ => Err(Error::authentication("The token among the subprotocols cannot be read.")),
        }
    }
}

impl fmt::Debug for BearerProtocol {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerProtocol(***)")
    }
}

impl<S: Sync> FromRequestParts<S> for BearerProtocol {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::read(&parts.headers)?.ok_or_else(|| Error::authentication("Please sign in first."))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for BearerProtocol {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        Self::read(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lists: &[&str]) -> Result<Option<String>, ()> {
        let lists = lists.iter().map(|list| (SEC_WEBSOCKET_PROTOCOL, list.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in lists {
            headers.append(name, value);
        }
        BearerProtocol::read(&headers).map(|token| token.map(|token| token.0)).map_err(|_| ())
    }

    #[test]
    fn one_token_is_read_wherever_it_stands() {
        let token = Ok(Some("secret?".to_owned()));
        for lists in [
            &["channels.v1.json, bearer.c2VjcmV0Pw"][..],
            &["bearer.c2VjcmV0Pw,channels.v1.json"],
            &["channels.v1.json", "bearer.c2VjcmV0Pw"],
        ] {
            assert_eq!(read(lists), token, "{lists:?}");
        }
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["channels.v1.json, bearer, bearerc2VjcmV0, Bearer.c2VjcmV0"]), Ok(None));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for wrong in
            ["bearer.", "bearer.!", "bearer.c2VjcmV0Pw==", "bearer.c2VjcmV0P", "bearer._w", "bearer.YQ,bearer.YQ"]
        {
            assert_eq!(read(&[wrong]), Err(()), "{wrong}");
        }
        assert_eq!(format!("{:?}", BearerProtocol("secret".into())), "BearerProtocol(***)");
    }
}
