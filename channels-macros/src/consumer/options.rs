//! `#[consumer(incoming = E, outgoing = M, state = S, outbox = "…", first_frame = "10s", crate = path)]`.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::parse::Parse;
use syn::{Path, Type};

use super::duration::{Noun, duration};
use crate::errors::Errors;
use crate::outbox::Policy;
use crate::settings::{default_path, settings};

const FIRST_FRAME: Noun = Noun { name: "time-out", of_zero: "would close everybody" };

/// What a consumer says of itself.
pub(crate) struct Options {
    pub(crate) incoming: Option<Type>,
    pub(crate) outgoing: Option<Type>,
    pub(crate) state: Option<Type>,
    /// What happens where a client is too slow.
    pub(crate) outbox: Option<Policy>,
    pub(crate) first_frame: Option<Duration>,
    pub(crate) krate: Path,
    /// It was written, or something is wrong that may have been meant as it: its absence is no news.
    pub(crate) says_incoming: bool,
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        const KNOWN: [&str; 6] = ["incoming", "outgoing", "state", "outbox", "first_frame", "crate"];
        let mut options = Self {
            incoming: None,
            outgoing: None,
            state: None,
            outbox: None,
            first_frame: None,
            krate: default_path(),
            says_incoming: false,
        };
        for setting in settings(tokens, &KNOWN, "`#[consumer]`", errors) {
            let name = setting.name.to_string();
            if name == "first_frame" {
                let text = errors.take(setting.text("a time-out in quotes, such as `\"10s\"`"));
                options.first_frame = text.and_then(|text| errors.take(duration(&text, FIRST_FRAME)));
                continue;
            }
            let mut ty = |expected| errors.take(setting.parse(Type::parse, expected));
            match name.as_str() {
                "incoming" => options.incoming = ty("the enum of the messages that clients may send"),
                "outgoing" => options.outgoing = ty("the enum of the messages that the server sends"),
                "state" => options.state = ty("the type of the router's state"),
                "outbox" => options.outbox = errors.take(Policy::of(&setting)),
                _ => {
                    if let Some(path) = errors.take(setting.path()) {
                        options.krate = path;
                    }
                }
            }
        }
        options.says_incoming = options.incoming.is_some() || !errors.is_empty();
        options
    }
}
