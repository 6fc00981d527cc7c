//! The text of a message: a stamp that tells where it comes from, filled up to the wanted length.
//!
//! A text that comes back changed in any character is not recognised, so the checks of
//! [`crate::checker`] also show that nothing was cut, mixed up or re-encoded on the way.

/// Nothing in it needs escaping in JSON, and it has no blanks that a server may trim.
const FILL: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A stamp with its largest numbers and one character of filling fits.
pub(crate) const MIN_CHARACTERS: usize = 64;

/// Where and when a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) publisher: u32,
    pub(crate) room: u32,
    /// Counts from 0 for each publisher in each room.
    pub(crate) sequence: u32,
    /// Microseconds since the run began.
    pub(crate) sent_at: u64,
}

impl Stamp {
    /// The stamp, and filling up to `characters`.
    pub(crate) fn text(self, characters: usize) -> String {
        let mut text = format!("{} {} {} {} ", self.publisher, self.room, self.sequence, self.sent_at);
        let missing = characters.saturating_sub(text.len());
        text.extend(fill(missing).map(char::from));
        text
    }

    /// Reads it back; `None` unless every character is as it was sent.
    pub(crate) fn read(text: &str, characters: usize) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let publisher = parts.next()?.parse().ok()?;
        let room = parts.next()?.parse().ok()?;
        let sequence = parts.next()?.parse().ok()?;
        let sent_at = parts.next()?.parse().ok()?;
        let filling = parts.next()?.as_bytes();
        let intact = text.len() == characters && filling.iter().copied().eq(fill(filling.len()));
        intact.then_some(Self { publisher, room, sequence, sent_at })
    }
}

fn fill(length: usize) -> impl Iterator<Item = u8> {
    FILL.iter().copied().cycle().take(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { publisher: 4_999, room: 49_999, sequence: 17, sent_at: 119_999_999 };

    #[test]
    fn a_stamp_comes_back_as_it_was_sent() {
        for characters in [MIN_CHARACTERS, 5_000, 100_000] {
            let text = STAMP.text(characters);
            assert_eq!(text.chars().count(), characters);
            assert_eq!(text.trim(), text);
            assert_eq!(Stamp::read(&text, characters), Some(STAMP));
        }
    }

    #[test]
    fn the_largest_numbers_fit_the_shortest_text() {
        let stamp = Stamp { publisher: u32::MAX, room: u32::MAX, sequence: u32::MAX, sent_at: u64::MAX };
        assert_eq!(stamp.text(MIN_CHARACTERS).len(), MIN_CHARACTERS);
    }

    #[test]
    fn a_changed_text_is_not_recognised() {
        let text = STAMP.text(5_000);
        assert_eq!(Stamp::read(&text[..4_999], 5_000), None, "cut");
        assert_eq!(Stamp::read(&format!("{text}a"), 5_000), None, "longer");
        assert_eq!(Stamp::read(&text.replacen("xyz", "xyy", 1), 5_000), None, "one character");
        assert_eq!(Stamp::read("hello", 5_000), None, "another text");
    }
}
