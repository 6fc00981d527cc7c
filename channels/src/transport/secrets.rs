//! What a request bears that no log should show.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};

/// Marks the headers that hold what a client proves itself by: `Debug` of them, wherever it is written, says
/// `Sensitive`.
pub(super) fn hide(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        let is_secret = *name == AUTHORIZATION
            || *name == COOKIE
            || (*name == SEC_WEBSOCKET_PROTOCOL && contains(value.as_bytes(), b"bearer."));
        if is_secret {
            value.set_sensitive(true);
        }
    }
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}
