//! Names of messages on the wire.

use std::fmt;

use syn::Ident;
use syn::ext::IdentExt;

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Incoming,
    Outgoing,
}

/// Why a name cannot be that of a message.
pub(crate) fn refusal(name: &str, direction: Direction) -> Option<String> {
    if name.is_empty() {
        return Some("a message's name cannot be empty".into());
    }
    if name.len() > MAX_NAME_BYTES {
        return Some(format!("a message's name has at most {MAX_NAME_BYTES} bytes, this one has {}", name.len()));
    }
    if name.contains(char::is_control) {
        return Some("a message's name has no control characters".into());
    }
    if name.starts_with('$') {
        return Some("names that begin with `$` are the framework's".into());
    }
    // A server may answer `ping` itself, by a `pong` of its own; what clients send as `pong` is a sign of life.
    if name == "error" || (name == "pong" && direction == Direction::Incoming) {
        return Some(format!("the name `{name}` is the framework's"));
    }
    None
}

/// How names are made of variants, as serde does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
    Snake,
    Camel,
    Kebab,
    Pascal,
    ScreamingSnake,
    ScreamingKebab,
    Lower,
    Upper,
}

impl Case {
    pub(crate) const ALL: [(&str, Self); 8] = [
        ("snake_case", Self::Snake),
        ("camelCase", Self::Camel),
        ("kebab-case", Self::Kebab),
        ("PascalCase", Self::Pascal),
        ("SCREAMING_SNAKE_CASE", Self::ScreamingSnake),
        ("SCREAMING-KEBAB-CASE", Self::ScreamingKebab),
        ("lowercase", Self::Lower),
        ("UPPERCASE", Self::Upper),
    ];

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, case)| *case)
    }

    /// The name of a variant.
    pub(crate) fn apply(self, variant: &Ident) -> String {
        let variant = variant.unraw().to_string();
        match self {
            Self::Pascal => variant,
            Self::Lower => variant.to_lowercase(),
            Self::Upper => variant.to_uppercase(),
            Self::Camel => {
                let mut chars = variant.chars();
                chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
            }
            Self::Snake => separated(&variant, '_'),
            Self::Kebab => separated(&variant, '-'),
            Self::ScreamingSnake => separated(&variant, '_').to_uppercase(),
            Self::ScreamingKebab => separated(&variant, '-').to_uppercase(),
        }
    }
}

/// In small letters, with a separator before each letter that was not.
fn separated(variant: &str, separator: char) -> String {
    let mut name = String::with_capacity(variant.len() + 4);
    for (index, letter) in variant.char_indices() {
        if letter.is_uppercase() && index > 0 {
            name.push(separator);
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// `, did you mean …?` where something similar is known, or the list of what is.
pub(crate) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> impl fmt::Display {
    let known: Vec<_> = known.into_iter().collect();
    let distance = |name: &&&str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().min_by_key(distance).filter(|name| distance(name) <= (name.len() / 3).max(1));
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.len() == 1 => format!("there is {}", list(&known)),
        None => format!("there are {}", list(&known)),
    }
}

/// `a`, `b` and `c`.
fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn variants_are_named_as_serde_names_them() {
        let named = |variant: &str| Case::ALL.map(|(_, case)| case.apply(&Ident::new(variant, Span::call_site())));
        assert_eq!(
            named("ChatMessage"),
            [
                "chat_message",
                "chatMessage",
                "chat-message",
                "ChatMessage",
                "CHAT_MESSAGE",
                "CHAT-MESSAGE",
                "chatmessage",
                "CHATMESSAGE"
            ]
        );
        assert_eq!(Case::Snake.apply(&Ident::new_raw("Type", Span::call_site())), "type");
        assert_eq!(Case::Snake.apply(&Ident::new("V2Ray", Span::call_site())), "v2_ray");
    }

    #[test]
    fn what_the_framework_says_itself_is_no_name() {
        use Direction::{Incoming, Outgoing};
        for name in ["", "$ok", "error", "a\nb", &"x".repeat(65)] {
            assert!(refusal(name, Incoming).is_some() && refusal(name, Outgoing).is_some(), "{name:?}");
        }
        for name in ["chat.message", "chat-message", "chat:message", "nachricht ä", &"x".repeat(64)] {
            assert!(refusal(name, Incoming).is_none() && refusal(name, Outgoing).is_none(), "{name:?}");
        }
        assert!(refusal("pong", Incoming).is_some());
        assert!(refusal("pong", Outgoing).is_none());
    }

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        assert_eq!(suggestion("incomming", ["incoming", "outgoing"]).to_string(), "did you mean `incoming`?");
        assert_eq!(suggestion("x", ["incoming", "state"]).to_string(), "there are `incoming` and `state`");
    }
}
