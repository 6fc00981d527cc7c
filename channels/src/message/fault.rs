//! Why a payload does not fit: what was expected, what kind of thing is there, and where; never the value itself. It is its
//! client's, who knows it, and the log has no business with it.

use std::fmt::{self, Write as _};

use serde::de::{self, Expected, Unexpected};

use crate::error::{Error, ErrorCode, Shown, shown};

/// How much is told of what is wrong, in bytes of JSON. A type of the application's may say anything.
const MAX_WORDS_BYTES: usize = 400;
/// How much of where.
const MAX_PATH_BYTES: usize = 160;
/// How much of one key on the way.
const MAX_KEY_BYTES: usize = 64;

/// What is wrong with a payload.
#[derive(Debug)]
pub(crate) struct Fault {
    problem: Problem,
    /// Where, the innermost first.
    way: Vec<Step>,
}

#[derive(Debug)]
enum Problem {
    Missing(&'static str),
    Wrong(String),
    /// What the envelope, which is read without a look inside, did not show.
    NoJson(String),
}

/// One step into a payload.
#[derive(Debug)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

impl Fault {
    fn wrong(words: fmt::Arguments<'_>) -> Self {
        Self { problem: Problem::Wrong(shown(&words, MAX_WORDS_BYTES)), way: Vec::new() }
    }

    /// What serde_json says by itself. Where it is about a value, it names the value.
    pub(super) fn of_json(error: &impl fmt::Display) -> Self {
        let words = shown(error, MAX_WORDS_BYTES);
        // The position is that of the payload, not of the frame: it would mislead.
        let words = words.split(" at line ").next().unwrap_or(&words);
        let problem = if words.starts_with("invalid type") || words.starts_with("invalid value") {
            Problem::Wrong(without_the_value(words))
        } else if words.starts_with("recursion limit") {
            Problem::Wrong(words.to_owned())
        } else {
            Problem::NoJson(words.to_owned())
        };
        Self { problem, way: Vec::new() }
    }

    /// The same, seen from one step further out.
    pub(super) fn below(mut self, step: Step) -> Self {
        self.way.push(step);
        self
    }

    fn path(&self) -> String {
        let mut path = Shown::new(MAX_PATH_BYTES);
        let missing = match &self.problem {
            Problem::Missing(field) => Some(*field),
            _ => None,
        };
        let mut is_first = true;
        for step in self.way.iter().rev().map(Step::as_part).chain(missing.map(Part::Key)) {
            let written = match step {
                Part::Index(index) => write!(path, "[{index}]"),
                Part::Key(key) if is_first => path.write_str(key),
                Part::Key(key) => write!(path, ".{key}"),
            };
            // What is not shown any more is inside of what is.
            if written.is_err() {
                break;
            }
            is_first = false;
        }
        if is_first { "data".to_owned() } else { path.finish() }
    }
}

/// `invalid type: string "secret", expected u8` without the secret.
fn without_the_value(words: &str) -> String {
    let mut parts = words.split([' ', ':', ',']).filter(|part| !part.is_empty());
    let (what, kind) = (parts.nth(1).unwrap_or("type"), parts.next().unwrap_or("value"));
    match words.rsplit_once(", expected ") {
        Some((_, expected)) if !words.ends_with('…') => format!("invalid {what}: {kind}, expected {expected}"),
        _ => format!("invalid {what}: {kind}"),
    }
}

enum Part<'a> {
    Index(usize),
    Key(&'a str),
}

impl Step {
    pub(super) fn key(key: &str) -> Self {
        Self::Key(shown(key, MAX_KEY_BYTES))
    }

    fn as_part(&self) -> Part<'_> {
        match self {
            Self::Index(index) => Part::Index(*index),
            Self::Key(key) => Part::Key(key),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match &fault.problem {
            Problem::Missing(_) => Self::validation(&fault.path(), "is missing"),
            Problem::Wrong(words) => Self::validation(&fault.path(), words.as_str()),
            Problem::NoJson(words) => Self::new(ErrorCode::InvalidJson, format!("This is no JSON: {words}.")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Missing(field) => write!(f, "missing field `{field}`"),
            Problem::Wrong(words) | Problem::NoJson(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::wrong(format_args!("{words}"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong(format_args!("invalid type: {}, expected {expected}", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong(format_args!("invalid value: {}, expected {expected}", kind(found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::wrong(format_args!("unknown variant, expected {}", OneOf(expected)))
    }

    /// A field's name is no value: whoever mistyped it has to see it.
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let field = shown(field, MAX_KEY_BYTES);
        Self::wrong(format_args!("unknown field `{field}`, expected {}", OneOf(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { problem: Problem::Missing(field), way: Vec::new() }
    }
}

/// What kind of thing a value is, in the words of serde.
fn kind(found: Unexpected<'_>) -> &str {
    match found {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "floating point",
        Unexpected::Char(_) => "character",
        Unexpected::Str(_) => "string",
        Unexpected::Bytes(_) => "byte array",
        Unexpected::Unit => "null",
        Unexpected::Option => "option",
        Unexpected::NewtypeStruct => "newtype struct",
        Unexpected::Seq => "sequence",
        Unexpected::Map => "map",
        Unexpected::Enum => "enum",
        Unexpected::UnitVariant => "unit variant",
        Unexpected::NewtypeVariant => "newtype variant",
        Unexpected::TupleVariant => "tuple variant",
        Unexpected::StructVariant => "struct variant",
        // Words of the program's, by their kind.
        Unexpected::Other(what) => what,
    }
}

/// Names of the program's.
struct OneOf(&'static [&'static str]);

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            [only] => write!(f, "`{only}`"),
            [first, others @ ..] => {
                write!(f, "one of `{first}`")?;
                others.iter().try_for_each(|name| write!(f, ", `{name}`"))
            }
        }
    }
}
