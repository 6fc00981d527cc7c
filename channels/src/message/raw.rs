//! A message that is known only when the program runs.

use serde_json::value::RawValue;

use super::layout::Layout;
use super::outgoing::{Outgoing, write_envelope};
use super::request_id::RequestId;
use crate::error::Error;

/// The longest name, in bytes; as of a derived message.
const MAX_NAME_BYTES: usize = 64;

/// A message whose name and payload are no type of the program: for tools such as a command of the shell, a bridge or
/// a proxy. An application has an enum with `#[derive(Outgoing)]`, whose messages the compiler checks.
///
/// ```
/// use channels::message::Raw;
/// use channels::Outgoing;
///
/// let message = Raw::new("announcement", r#"{"message": "Lunch"}"#)?;
/// assert_eq!(message.to_json(None)?, r#"{"type":"announcement","data":{"message": "Lunch"}}"#);
///
/// // A name of the framework's, and a text that is no JSON, are refused.
/// assert!(Raw::new("$reconnect", "{}").is_err());
/// assert!(Raw::new("announcement", "{").is_err());
/// # Ok::<(), channels::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Raw {
    name: String,
    data: Option<Box<RawValue>>,
}

impl Raw {
    /// A message with a payload in JSON, which is sent as it is. An empty text is no payload at all.
    ///
    /// # Errors
    ///
    /// `VALIDATION_FAILED` with the field `type` or `data`: for a name that is empty, longer than 64 bytes, with control
    /// characters or reserved (`error`, `pong` and what begins with `$`); for a payload that is no JSON.
    pub fn new(name: impl Into<String>, data: impl Into<String>) -> Result<Self, Error> {
        let (name, data) = (name.into(), data.into());
        if let Some(problem) = refusal(&name) {
            return Err(Error::validation("type", problem));
        }
        let data = match data.trim().is_empty() {
            true => None,
            false => {
                let data = RawValue::from_string(data);
                Some(data.map_err(|error| Error::validation("data", format!("is no JSON: {error}")))?)
            }
        };
        Ok(Self { name, data })
    }
}

/// Why a name cannot be that of a message.
fn refusal(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("must not be empty".to_owned())
    } else if name.len() > MAX_NAME_BYTES {
        Some(format!("has at most {MAX_NAME_BYTES} bytes, this one has {}", name.len()))
    } else if name.contains(char::is_control) {
        Some("has no control characters".to_owned())
    } else if name.starts_with('$') || matches!(name, "error" | "pong") {
        Some(format!("`{name}` is the framework's: so are `error`, `pong` and all that begin with `$`"))
    } else {
        None
    }
}

// Whoever forgot a derive is not helped by it.
#[diagnostic::do_not_recommend]
impl Outgoing for Raw {
    fn name(&self) -> &str {
        &self.name
    }

    fn to_json(&self, re: Option<&RequestId>) -> Result<bytestring::ByteString, Error> {
        write_envelope(Layout::DEFAULT, &self.name, self.data.as_deref(), re)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, data: &str) -> Result<String, Error> {
        Ok(Raw::new(name, data)?.to_json(None)?.to_string())
    }

    #[test]
    fn a_payload_goes_out_as_it_came() {
        for data in [r#"{"b":1,"a":1.00}"#, "null", "[]", "12345678901234567890123", r#""\u00fc""#] {
            assert_eq!(written("x", data).unwrap(), format!(r#"{{"type":"x","data":{data}}}"#));
        }
        assert_eq!(written("x", "").unwrap(), r#"{"type":"x"}"#);
        assert_eq!(written("x", " \n").unwrap(), r#"{"type":"x"}"#);
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(written("x", &deep).unwrap().contains(&deep));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for name in ["", "$ok", "$", "error", "pong", "a\nb", long.as_str()] {
            assert!(written(name, "{}").is_err(), "{name:?}");
        }
        for data in ["{", "{}{}", "nonsense", "{'a':1}", "\u{0}"] {
            assert!(written("x", data).is_err(), "{data:?}");
        }
    }
}
