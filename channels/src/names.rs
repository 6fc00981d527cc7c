//! Checks of message names that rustc runs: their answers are compile errors in words.

/// Stands for all names of an enum whose derive has failed, and has said so.
pub const BROKEN: &str = "$broken";

/// The place of a name among those of an enum.
///
/// # Panics
///
/// Where it is none of them. As this is evaluated while compiling, the words are those of the
/// compile error, and being `track_caller` puts it on the tokens that called.
#[track_caller]
pub const fn index(names: &[&str], name: &str, messages: &str) -> usize {
    if contains(names, BROKEN) {
        return 0;
    }
    match find(names, name) {
        Some(index) => index,
        None => panic!("{}", unknown(names, name, messages).as_str()),
    }
}

/// Checks that no name of an enum is without a handler, and none has two. Those in one block are
/// found by the macro, unless they are there under a condition.
///
/// # Panics
///
/// Where there are some, as [`index`] does.
#[track_caller]
pub const fn complete(names: &[&str], handled: &[&str], consumer: &str) {
    if let Some(doubled) = doubled(handled, consumer) {
        panic!("{}", doubled.as_str());
    }
    if !contains(names, BROKEN)
        && let Some(missing) = missing(names, handled, consumer)
    {
        panic!("{}", missing.as_str());
    }
}

const fn find(names: &[&str], name: &str) -> Option<usize> {
    let mut index = 0;
    while index < names.len() {
        if same(names[index], name) {
            return Some(index);
        }
        index += 1;
    }
    None
}

const fn unknown(names: &[&str], name: &str, messages: &str) -> Words {
    let mut words = Words::new().add("`").add(messages).add("` has no message \"").add(name).add("\"");
    if let Some(similar) = nearest(names, name) {
        words = words.add("; did you mean \"").add(similar).add("\"?");
    } else {
        words = words.add(".");
    }
    if names.is_empty() {
        return words.add(" It has none.");
    }
    words.add(" It has: ").list(names).add(".")
}

const fn doubled(handled: &[&str], consumer: &str) -> Option<Words> {
    let mut rest = handled;
    while let [name, after @ ..] = rest {
        if contains(after, name) {
            return Some(Words::new().add("`").add(consumer).add("` has two handlers for \"").add(name).add("\""));
        }
        rest = after;
    }
    None
}

const fn missing(names: &[&str], handled: &[&str], consumer: &str) -> Option<Words> {
    let mut words = Words::new().add("`").add(consumer).add("` has no handler for ");
    let (mut index, mut count) = (0, 0);
    while index < names.len() {
        if !contains(handled, names[index]) {
            words = words.add(if count == 0 { "\"" } else { ", \"" }).add(names[index]).add("\"");
            count += 1;
        }
        index += 1;
    }
    if count == 0 {
        return None;
    }
    Some(words.add(if count == 1 { ": add an `#[on(\"…\")]` for it" } else { ": add an `#[on(\"…\")]` for each" }))
}

/// A text that can be put together while compiling; what does not fit is cut.
struct Words {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Words {
    const CAPACITY: usize = 2048;

    const fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }

    const fn add(mut self, text: &str) -> Self {
        // Whole or not at all: half of a character would be no text.
        if text.len() > Self::CAPACITY - self.len {
            return self;
        }
        let text = text.as_bytes();
        let mut index = 0;
        while index < text.len() {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
        }
        self
    }

    const fn list(mut self, names: &[&str]) -> Self {
        let mut index = 0;
        while index < names.len() {
            self = self.add(if index == 0 { "\"" } else { ", \"" }).add(names[index]).add("\"");
            index += 1;
        }
        self
    }

    const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "an unknown message",
        }
    }
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    if one.len() != other.len() {
        return false;
    }
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

const fn contains(names: &[&str], name: &str) -> bool {
    find(names, name).is_some()
}

/// The most similar name, where one is similar at all.
const fn nearest<'a>(names: &[&'a str], name: &str) -> Option<&'a str> {
    let (mut best, mut best_distance) = (None, name.len() / 3 + 1);
    let mut index = 0;
    while index < names.len() {
        let distance = distance(names[index].as_bytes(), name.as_bytes());
        if distance <= best_distance && (best.is_none() || distance < best_distance) {
            best = Some(names[index]);
            best_distance = distance;
        }
        index += 1;
    }
    best
}

/// The longest name whose similarity is measured.
const LONGEST: usize = 64;

/// Levenshtein's distance, in bytes.
const fn distance(one: &[u8], other: &[u8]) -> usize {
    if one.len() >= LONGEST || other.len() >= LONGEST {
        return usize::MAX;
    }
    let mut row = [0; LONGEST];
    let mut column = 0;
    while column <= other.len() {
        row[column] = column;
        column += 1;
    }
    let mut line = 0;
    while line < one.len() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        let mut column = 0;
        while column < other.len() {
            let replaced = diagonal + if one[line] == other[column] { 0 } else { 1 };
            diagonal = row[column + 1];
            row[column + 1] = min(replaced, min(row[column], row[column + 1]) + 1);
            column += 1;
        }
        line += 1;
    }
    row[other.len()]
}

const fn min(one: usize, other: usize) -> usize {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["chat_message", "join_room", "ping"];

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_and_all() {
        assert_eq!(find(NAMES, "join_room"), Some(1));
        let words = "`E` has no message \"chat_mesage\"; did you mean \"chat_message\"? \
                     It has: \"chat_message\", \"join_room\", \"ping\".";
        assert_eq!(unknown(NAMES, "chat_mesage", "E").as_str(), words);
        assert!(!unknown(NAMES, "x", "E").as_str().contains("did you mean"));
        assert_eq!(unknown(&[], "x", "E").as_str(), "`E` has no message \"x\". It has none.");
    }

    #[test]
    fn two_handlers_for_one_name_are_told() {
        assert!(doubled(NAMES, "C").is_none());
        assert_eq!(doubled(&["a", "b", "a"], "C").unwrap().as_str(), "`C` has two handlers for \"a\"");
    }

    #[test]
    fn all_missing_names_are_told_at_once() {
        assert!(missing(NAMES, NAMES, "C").is_none());
        let told = missing(NAMES, &["join_room"], "C").unwrap();
        assert_eq!(told.as_str(), "`C` has no handler for \"chat_message\", \"ping\": add an `#[on(\"…\")]` for each");
    }
}
