//! What names and texts have to be.

use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};

/// The largest file, in bytes before base64.
pub(crate) const MAX_FILE_BYTES: usize = 10 * 1024 * 1024;

/// A room's name: 1 to 50 characters after trimming, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Validate)]
#[garde(transparent)]
pub(crate) struct RoomName(#[garde(length(chars, min = 1, max = 50), custom(no_control_characters))] pub(crate) String);

/// What somebody writes: 1 to 100,000 characters after trimming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Validate)]
#[garde(transparent)]
pub(crate) struct Text(#[garde(length(chars, min = 1, max = 100_000))] pub(crate) String);

/// Reads a string without the white space around it.
pub(crate) fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let mut text = String::deserialize(deserializer)?;
    text.truncate(text.trim_end().len());
    let leading = text.len() - text.trim_start().len();
    text.drain(..leading);
    Ok(text)
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        trimmed(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        trimmed(deserializer).map(Self)
    }
}

/// A line break in a name would forge a line in a log, and an invisible character another's name.
pub(crate) fn no_control_characters(text: &str, _: &()) -> garde::Result {
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(json: &str) -> Result<String, String> {
        let room: RoomName = serde_json::from_str(json).map_err(|error| error.to_string())?;
        room.validate().map_err(|report| report.to_string())?;
        Ok(room.0)
    }

    #[test]
    fn a_name_is_trimmed_and_then_checked() {
        assert_eq!(room("\"  rust \"").unwrap(), "rust");
        assert_eq!(room(&format!("\" {} \"", "é".repeat(50))).unwrap().chars().count(), 50);
        assert!(room("\"   \"").is_err());
        assert!(room(&format!("\"{}\"", "a".repeat(51))).is_err());
        assert!(room("\"a\\u0007b\"").unwrap_err().contains("control character"));
    }
}
