//! What a client offers, and what is answered (RFC 7692, section 7.1).

use axum::http::header::SEC_WEBSOCKET_EXTENSIONS;
use axum::http::{HeaderMap, HeaderValue};

use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};

/// How many offers are looked at, of whatever extension. Browsers send one.
const MAX_OFFERS: usize = 16;

/// The longest header that is read, in bytes: an offer with all its parameters has less than 200.
const MAX_HEADER_BYTES: usize = 4096;

/// What is answered to an offer that says nothing of the server's window.
///
/// Both parameters may be answered to every offer.
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What was agreed on; both sides without context takeover, so nothing is kept between messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// The window of what the server sends, 9 to 15.
    pub(crate) server_bits: u8,
}

/// The first of the client's offers that can be accepted, and the value of the response's `Sec-WebSocket-Extensions`.
///
/// An offer with anything wrong or unknown in it is declined, and the next is looked at.
pub(crate) fn negotiate(headers: &HeaderMap) -> Option<(Deflate, HeaderValue)> {
    let values = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let lists = values.filter(|value| value.len() <= MAX_HEADER_BYTES).filter_map(|value| value.to_str().ok());
    let offer = lists.flat_map(|list| list.split(outside_quotes(','))).take(MAX_OFFERS).find_map(Offer::read)?;
    let agreed = Deflate { server_bits: offer.server_bits.unwrap_or(MAX_WINDOW_BITS) };
    Some((agreed, offer.answer()?))
}

/// The parameters of an offer of permessage-deflate.
#[derive(Default)]
struct Offer {
    server_without_takeover: Option<()>,
    client_without_takeover: Option<()>,
    server_bits: Option<u8>,
    client_bits: Option<()>,
}

impl Offer {
    /// `None` for another extension, and for what has to be declined.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(outside_quotes(';')).map(trimmed);
        if parts.next()? != "permessage-deflate" {
            return None;
        }
        let mut offer = Self::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (trimmed(name), Some(trimmed(value))),
                None => (part, None),
            };
            match (name, value) {
                ("server_no_context_takeover", None) => once(&mut offer.server_without_takeover, ())?,
                ("client_no_context_takeover", None) => once(&mut offer.client_without_takeover, ())?,
                ("server_max_window_bits", Some(bits)) => {
                    let bits = window_bits(bits).filter(|bits| *bits >= MIN_WINDOW_BITS)?;
                    once(&mut offer.server_bits, bits)?;
                }
                // The answer may ask for a smaller window, and does not: any is read with the largest.
                ("client_max_window_bits", None) => once(&mut offer.client_bits, ())?,
                ("client_max_window_bits", Some(bits)) => once(&mut offer.client_bits, window_bits(bits).map(drop)?)?,
                _ => return None,
            }
        }
        Some(offer)
    }

    fn answer(&self) -> Option<HeaderValue> {
        match self.server_bits {
            Some(bits) => HeaderValue::try_from(format!("{ANSWER}; server_max_window_bits={bits}")).ok(),
            None => Some(HeaderValue::from_static(ANSWER)),
        }
    }
}

/// Fills the slot; `None` if it was filled before, as no parameter may stand twice.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// 8 to 15, in decimal digits without leading zeros, in quotes or not.
fn window_bits(value: &str) -> Option<u8> {
    let digits = match value.strip_prefix('"') {
        Some(rest) => unescaped(rest.strip_suffix('"')?)?,
        None => value.to_owned(),
    };
    (8..=MAX_WINDOW_BITS).find(|bits| bits.to_string() == digits)
}

/// What a quoted text means, in which a backslash stands before any character.
fn unescaped(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(text)
}

/// Finds the separators that are not part of a quoted value.
fn outside_quotes(separator: char) -> impl FnMut(char) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    move |c| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = quoted && c == '\\';
        quoted ^= c == '"';
        !quoted && c == separator
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
