//! `/inspector`, for whoever has `CHAT_INSPECTOR_TOKEN`; without that variable there is none.

use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::ChannelLayer;

/// A shorter one can be guessed.
const SHORTEST: usize = 16;

/// What opens the inspector.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

impl Token {
    /// `None` where it is too short.
    pub(crate) fn new(token: &str) -> Option<Self> {
        (token.len() >= SHORTEST).then(|| Self(token.into()))
    }

    /// Takes as long for every wrong one of its length.
    fn is(&self, other: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(other).fold(0, |all, (own, other)| black_box(all | (own ^ other)));
        own.len() == other.len() && differences == 0
    }

    /// As a bearer, for programs; or as the password of anybody, which browsers ask for.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.is(token.trim().as_bytes()),
            Some((scheme, basic)) if scheme.eq_ignore_ascii_case("basic") => {
                let decoded = STANDARD.decode(basic.trim()).unwrap_or_default();
                let colon = decoded.iter().position(|byte| *byte == b':');
                colon.is_some_and(|at| self.is(&decoded[at + 1..]))
            }
            _ => false,
        }
    }
}

pub(crate) fn routes(layer: &ChannelLayer, token: Token) -> Router {
    let inspector = channels::inspector(layer).layer(middleware::from_fn_with_state(token, guard));
    Router::new().nest_service("/inspector", inspector)
}

async fn guard(State(token): State<Token>, request: Request, next: Next) -> Response {
    if token.is_in(request.headers()) {
        return next.run(request).await;
    }
    let ask = [(header::WWW_AUTHENTICATE, r#"Basic realm="inspector", charset="UTF-8""#)];
    (StatusCode::UNAUTHORIZED, ask, "The inspector asks for CHAT_INSPECTOR_TOKEN.").into_response()
}
