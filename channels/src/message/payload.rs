//! Parsing a payload, and the word about one that does not fit.

use serde::de::DeserializeOwned;

use super::careful;
use crate::error::{Error, ErrorCode};

/// A longer string than that would be repeated by serde_json in an error, which nobody reads, at six times its length.
const LONG_STRING_BYTES: usize = 16 * 1024;

/// Parses a payload; an absent one as `{}`, and where that does not fit as `null`.
pub(super) fn payload<P: DeserializeOwned>(json: &str) -> Result<P, Error> {
    if json.is_empty() {
        return serde_json::from_str("{}")
            .or_else(|error| serde_json::from_str("null").map_err(|_| error))
            .map_err(|_| explain::<P>("{}"));
    }
    if has_long_string(json) {
        return Ok(careful::read(json)?);
    }
    serde_json::from_str(json).map_err(|_| explain::<P>(json))
}

/// Why a payload does not parse: a second reading, which only a wrong payload pays, finds the field.
fn explain<P: DeserializeOwned>(json: &str) -> Error {
    match careful::read::<P>(json) {
        Err(fault) => fault.into(),
        // A `Deserialize` that does not always say the same.
        Ok(_) => Error::new(ErrorCode::ValidationFailed, "The payload does not fit."),
    }
}

/// Whether there is a string so long that the payload is to be read carefully at once.
fn has_long_string(json: &str) -> bool {
    if json.len() <= LONG_STRING_BYTES {
        return false;
    }
    let mut rest = json.as_bytes();
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        rest = &rest[start + 1..];
        let length = string_len(rest);
        if length > LONG_STRING_BYTES {
            return true;
        }
        rest = rest.get(length + 1..).unwrap_or_default();
    }
    false
}

/// How far a string goes whose quote has been passed.
fn string_len(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(next) = bytes[length..].iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        length += next;
        if bytes[length] == b'"' {
            return length;
        }
        length = (length + 2).min(bytes.len());
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        n: u8,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Plain,
        Named(String),
        Pair(u8, bool),
        Sized { width: u32 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Everything {
        inner: Vec<Inner>,
        #[serde(default)]
        kind: Option<Kind>,
        #[serde(default)]
        by_number: BTreeMap<u16, (f32, i128)>,
        #[serde(default)]
        by_truth: BTreeMap<bool, char>,
        #[serde(default)]
        by_kind: BTreeMap<String, Option<Box<Self>>>,
        #[serde(default)]
        nothing: (),
        #[serde(default)]
        any: serde_json::Value,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "t")]
    enum Tagged {
        A { n: i64 },
        B(Inner),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
        Flat {
            a: u8,
            #[serde(flatten)]
            rest: BTreeMap<String, serde_json::Value>,
        },
    }

    fn refused<P: DeserializeOwned + Debug>(json: &str) -> Error {
        let error = payload::<P>(json).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed, "{json:.100}: {error}");
        error
    }

    fn told<P: DeserializeOwned + Debug>(json: &str) -> String {
        let error = refused::<P>(json);
        let (field, problems) = error.details().first_key_value().unwrap();
        assert_eq!(error.message(), format!("{field}: {}", problems[0]));
        error.message().to_owned()
    }

    #[test]
    fn a_wrong_payload_names_the_field() {
        let field = |json: &str| {
            let error = refused::<Everything>(json);
            error.details().keys().next().cloned().unwrap_or_default()
        };
        assert_eq!(field(r#"{"inner":[{"n":1},{"n":"x"}]}"#), "inner[1].n");
        assert_eq!(field(r#"{"inner":[{}]}"#), "inner[0].n");
        assert_eq!(
            field(r#"{"inner":[],"by_kind":{"a":{"inner":[],"by_number":{"7":[1.5,"x"]}}}}"#),
            "by_kind.a.by_number.7[1]"
        );
        assert_eq!(field(r#"{"inner":[],"kind":{"sized":{"width":-1}}}"#), "kind.sized.width");
        assert_eq!(field(r#"{"inner":[],"kind":7}"#), "kind");
        assert_eq!(field("{}"), "inner");
        assert_eq!(field(""), "inner");
        assert_eq!(field("7"), "data");
    }

    #[test]
    fn what_is_expected_is_said_and_what_was_sent_is_not() {
        let rows = [
            (told::<Inner>(r#"{"n":"secret"}"#), "n: invalid type: string, expected u8"),
            (told::<Inner>(r#"{"n":4711}"#), "n: invalid value: integer, expected u8"),
            (told::<Inner>(r#"{"n":47.11}"#), "n: invalid type: floating point, expected u8"),
            (told::<Inner>(r#"{"n":null}"#), "n: invalid type: null, expected u8"),
            (told::<String>("4711"), "data: invalid type: integer, expected a string"),
            (told::<Vec<u8>>(r#""secret""#), "data: invalid type: string, expected a sequence"),
            (told::<Inner>(r#""secret""#), "data: invalid type: string, expected struct Inner"),
            (told::<()>(r#""secret""#), "data: invalid type: string, expected unit"),
            (told::<bool>(r#""secret""#), "data: invalid type: string, expected a boolean"),
            (told::<BTreeMap<String, u8>>(r#""secret""#), "data: invalid type: string, expected a map"),
            (told::<BTreeMap<bool, u8>>(r#"{"secret":1}"#), "data: invalid type: string, expected a boolean"),
            (told::<BTreeMap<bool, u8>>(r#"{"truth":1}"#), "data: invalid type: string, expected a boolean"),
            (told::<BTreeMap<bool, u8>>(r#"{"\u0074rue":1}"#), "data: invalid type: string, expected a boolean"),
            (told::<BTreeMap<bool, u8>>(r#"{"true":"x"}"#), "true: invalid type: string, expected u8"),
            (told::<Kind>(r#""secret""#), "data: unknown variant, expected one of `plain`, `named`, `pair`, `sized`"),
            (told::<Kind>("4711"), "data: invalid type: integer, expected enum Kind"),
            (told::<Kind>(r#"{"plain":"secret"}"#), "plain: invalid type: string, expected unit"),
            (told::<Kind>(r#"{"pair":"secret"}"#), "pair: invalid type: string, expected tuple variant Kind::Pair"),
            (told::<char>(r#""secret""#), "data: invalid value: string, expected a character"),
            (told::<Tagged>(r#"{"t":"secret"}"#), "t: unknown variant, expected one of `A`, `B`"),
            (
                told::<Everything>(r#"{"inner":[],"innre":"secret"}"#),
                "data: unknown field `innre`, expected one of `inner`, `kind`, `by_number`, `by_truth`, `by_kind`, \
                 `nothing`, `any`",
            ),
        ];
        for (told, expected) in rows {
            assert_eq!(told, expected);
        }
        assert_eq!(payload::<String>(r#""\ud800""#).unwrap_err().code(), ErrorCode::InvalidJson);
        assert_eq!(payload::<f64>("1e999").unwrap_err().code(), ErrorCode::InvalidJson);
    }

    #[test]
    fn an_absent_payload_fits_what_needs_none() {
        assert_eq!(payload::<Option<u8>>("").unwrap(), None);
        #[derive(serde::Deserialize)]
        struct Empty {
            #[serde(default)]
            limit: u8,
        }
        assert_eq!(payload::<Empty>("").unwrap().limit, 0);
    }

    /// What is read carefully is what serde_json reads.
    fn same<P: DeserializeOwned + Debug + PartialEq>(texts: &[&str]) {
        for json in texts {
            match (careful::read::<P>(json), serde_json::from_str::<P>(json)) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{json}"),
                (Err(_), Err(_)) => {}
                (read, expected) => panic!("{json}: {read:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_careful_reading_takes_what_another_takes() {
        let texts = [
            "null",
            "true",
            "7",
            "-7",
            "7.5",
            "1e3",
            "18446744073709551615",
            "18446744073709551616",
            r#""x""#,
            r#""""#,
            r#""plain""#,
            r#""7""#,
            "[]",
            "[7]",
            "[7,true]",
            "[7,true,1]",
            "{}",
            r#"{"n":7}"#,
            r#"{"n":7,"n":8}"#,
            r#"{"n":256}"#,
            r#"{"plain":null}"#,
            r#"{"named":"x"}"#,
            r#"{"named":7}"#,
            r#"{"pair":[7,true]}"#,
            r#"{"sized":{"width":7}}"#,
            r#"{"sized":[7]}"#,
            r#"{"plain":null,"named":"x"}"#,
            r#"{"t":"A","n":-7}"#,
            r#"{"t":"B","n":7}"#,
            r#"{"n":7,"t":"A"}"#,
            r#"{"a":7,"b":[1]}"#,
            r#"{"inner":[{"n":7},[8]]}"#,
            r#"{"inner":[],"by_number":{"7":[1.5,-170141183460469231731687303715884105728]}}"#,
            r#"{"inner":[],"by_number":{"x":[1,1]}}"#,
            r#"{"inner":[],"by_truth":{"true":"x","false":"\u00e9"}}"#,
            r#"{"inner":[],"by_kind":{"a":null,"b":{"inner":[]}},"nothing":null,"any":{"a":[1,"x",null]}}"#,
            r#"{"inner":[],"kind":"plain"}"#,
            r#"{"inner":[],"kind":null}"#,
            r#"{"inner":[],"other":1}"#,
            r#""\u00e9\n""#,
            r#""\ud800""#,
            "7 8",
            "",
            "[",
            r#"{"a":{"b":{"c":[[[7]]]}}}"#,
            r#"{"true":7,"false":8}"#,
            r#"{"true":7,"true":8}"#,
            r#"{ "false" : 7 }"#,
            r#"{"\u0074rue":7}"#,
            r#"{"truth":7}"#,
            r#"{"tru":7}"#,
            r#"{"True":7}"#,
            r#"{" true":7}"#,
            r#"{"":7}"#,
            r#"{"true"#,
            r#"{"\ud800":7}"#,
            r#"{true:7}"#,
        ];
        same::<Everything>(&texts);
        same::<Kind>(&texts);
        same::<Tagged>(&texts);
        same::<Untagged>(&texts);
        same::<Inner>(&texts);
        same::<String>(&texts);
        same::<char>(&texts);
        same::<u8>(&texts);
        same::<i128>(&texts);
        same::<f64>(&texts);
        same::<bool>(&texts);
        same::<()>(&texts);
        same::<(u8, bool)>(&texts);
        same::<Option<Vec<u8>>>(&texts);
        same::<BTreeMap<String, serde_json::Value>>(&texts);
        same::<BTreeMap<Kind2, u8>>(&texts);
        same::<BTreeMap<bool, u8>>(&texts);
        same::<BTreeMap<Option<bool>, u8>>(&texts);
        same::<BTreeMap<Truth, u8>>(&texts);
        same::<serde_json::Value>(&texts);
        for json in texts {
            let raw = careful::read::<Box<RawValue>>(json).ok().map(|raw| raw.get().to_owned());
            assert_eq!(raw, serde_json::from_str::<Box<RawValue>>(json).ok().map(|raw| raw.get().to_owned()), "{json}");
        }
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind2 {
        A,
        N,
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    struct Truth(bool);

    #[test]
    fn strings_are_long_by_their_own_length() {
        let long = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(!has_long_string(&long(LONG_STRING_BYTES)));
        assert!(has_long_string(&long(LONG_STRING_BYTES + 1)));
        assert!(has_long_string(&format!(r#"{{"a\"":["",{}]}}"#, long(LONG_STRING_BYTES + 1))));
        assert!(has_long_string(&format!("\"{}\"", "\\\"".repeat(LONG_STRING_BYTES))));
        assert!(!has_long_string(&format!("[{}]", r#""\\","",1,"#.repeat(LONG_STRING_BYTES))));
        assert!(has_long_string(&format!("\"{}", "\\".repeat(LONG_STRING_BYTES + 2))));
    }

    /// Notes by whom it is read.
    #[derive(Debug)]
    struct Spy;

    thread_local! {
        static READERS: std::cell::RefCell<Vec<bool>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    impl<'de> Deserialize<'de> for Spy {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let is_careful = std::any::type_name::<D::Error>().ends_with("Fault");
            READERS.with_borrow_mut(|readers| readers.push(is_careful));
            u8::deserialize(from).map(|_| Self)
        }
    }

    /// serde_json, which would write all of it, is never asked about a long string.
    #[test]
    fn what_has_a_long_string_is_read_once_and_with_care() {
        for (json, readers) in [
            (r#""short""#.to_owned(), vec![false, true]),
            (format!("\"{}\"", "x".repeat(LONG_STRING_BYTES + 1)), vec![true]),
            ("7".to_owned(), vec![false]),
        ] {
            let _ = payload::<Spy>(&json);
            assert_eq!(READERS.take(), readers, "{json:.20}");
        }
    }

    #[test]
    fn an_error_has_a_bound_whatever_it_is_about() {
        let megabyte = |words: &str| words.repeat((1 << 20) / words.len());
        for words in ["\u{7f}", "\\\"", "\\\\", "🦀", "\\u0001"] {
            let words = megabyte(words);
            let errors = [
                refused::<Inner>(&format!(r#"{{"n":"{words}"}}"#)),
                refused::<Inner>(&format!(r#"{{"{words}":1}}"#)),
                refused::<Kind>(&format!(r#""{words}""#)),
                refused::<Kind>(&format!(r#"{{"{words}":1}}"#)),
                refused::<Kind>(&format!(r#"{{"plain":"{words}"}}"#)),
                refused::<Everything>(&format!(r#"{{"{words}":1}}"#)),
                refused::<BTreeMap<String, u8>>(&format!(r#"{{"{words}":"{words}"}}"#)),
                refused::<BTreeMap<String, BTreeMap<String, Inner>>>(&format!(r#"{{"{words}":{{"{words}":[]}}}}"#)),
                refused::<Vec<crate::UserId>>(&format!(r#"["{words}"]"#)),
                refused::<BTreeMap<bool, u8>>(&format!(r#"{{"{words}":1}}"#)),
                refused::<BTreeMap<Option<bool>, u8>>(&format!(r#"{{"true{words}":1}}"#)),
            ];
            for error in errors {
                let json = serde_json::to_string(&crate::ErrorResponse::from(&error)).unwrap();
                assert!(json.len() < 2500, "{} bytes: {json:.300}", json.len());
            }
            // Where serde_json said it, it wrote the whole key, and what was expected came after the end of what is shown.
            let told = told::<BTreeMap<bool, u8>>(&format!(r#"{{"{words}":1}}"#));
            assert_eq!(told, "data: invalid type: string, expected a boolean");
        }
    }
}
