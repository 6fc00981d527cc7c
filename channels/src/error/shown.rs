//! What an error repeats of words that may be a client's: so much, and no more. Who writes megabytes is stopped while
//! writing, so that neither the answer nor the memory for it grows with what was sent.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Stands for what was cut.
const ELLIPSIS: char = '…';

/// Takes so many bytes, counted as JSON writes them, and then refuses.
#[derive(Debug)]
pub(crate) struct Shown {
    text: String,
    room: usize,
}

impl Shown {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { text: String::new(), room: bytes.saturating_sub(ELLIPSIS.len_utf8()) }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

impl fmt::Write for Shown {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        for char in words.chars() {
            let Some(room) = self.room.checked_sub(cost(char)) else {
                self.room = 0;
                self.text.push(ELLIPSIS);
                return Err(fmt::Error);
            };
            self.room = room;
            self.text.push(char);
        }
        Ok(())
    }
}

/// How many bytes a character has in a JSON string.
const fn cost(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '\0'..='\x1f' => 6,
        char => char.len_utf8(),
    }
}

/// The same of many, each with what JSON needs around it.
pub(super) fn costs(words: &str) -> usize {
    words.chars().map(cost).sum()
}

/// The first bytes of what is written, with an ellipsis where there is more.
pub(crate) fn shown(words: &(impl fmt::Display + ?Sized), bytes: usize) -> String {
    let mut shown = Shown::new(bytes);
    // Fails where it was cut.
    let _ = write!(shown, "{words}");
    shown.finish()
}

/// The same of words that are there already, untouched where they fit.
pub(super) fn cut(words: Cow<'static, str>, bytes: usize) -> Cow<'static, str> {
    if costs(&words) <= bytes { words } else { Cow::Owned(shown(&words, bytes)) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_fits_is_untouched_and_what_does_not_is_cut_between_characters() {
        assert_eq!(shown("five", 7), "five");
        assert_eq!(shown("ééééé", 10), "ééé…");
        assert_eq!(shown(&"x".repeat(100), 10), "xxxxxxx…");
        assert_eq!(shown("\u{1}\u{1}\u{1}", 15), "\u{1}\u{1}…", "as JSON writes it");
        assert_eq!(cut("five".into(), 4), "five");
        assert_eq!(cut("fives".into(), 4), "f…");
        for bytes in 0..40 {
            let shown = shown("\"é\n🦀\0🦀\u{7f}\\\"é\n🦀\0🦀", bytes);
            let json = serde_json::to_string(&shown).unwrap();
            assert!(json.len() - 2 <= bytes.max(ELLIPSIS.len_utf8()), "{json} for {bytes}");
        }
    }

    /// Counts what it was asked to write.
    struct Endless<'a>(&'a Cell<usize>);

    impl fmt::Display for Endless<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                self.0.set(self.0.get() + 1);
                write!(f, "{:?}", "\u{7f}".repeat(100))?;
            }
        }
    }

    #[test]
    fn who_writes_without_end_is_stopped() {
        let pieces = Cell::new(0);
        let json = serde_json::to_string(&shown(&Endless(&pieces), 1000)).unwrap();
        assert!((990..=1002).contains(&json.len()), "{}", json.len());
        assert!(pieces.get() <= 3, "{}", pieces.get());
    }
}
