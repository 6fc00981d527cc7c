//! How a handler runs: `#[on("…", concurrency = 4, ordered_by = "room", timeout = "5s")]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{LitInt, Member};

use super::duration::{Noun, duration};
use crate::errors::Errors;
use crate::settings::{Setting, quoted_or_not, settings};

/// The most handlers of one message that run for one connection: each is memory that a client may ask for.
const MAX_CONCURRENCY: u16 = 1000;

const TIMEOUT: Noun = Noun { name: "time-out", of_zero: "would be up before the handler begins" };

/// What a handler says of it; by default it runs alone, for as long as `WS_HANDLER_TIMEOUT` allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pub(crate) timeout: Option<Duration>,
    pub(crate) overlap: Option<Overlap>,
}

/// Others run beside it.
#[derive(Clone, Debug)]
pub(crate) struct Overlap {
    /// Where it is said.
    pub(crate) span: Span,
    /// How many run at once.
    pub(crate) most: u16,
    /// The member of the payload that says which of them run in order, under the span of its name.
    pub(crate) ordered_by: Option<Member>,
}

impl Running {
    /// Reads what follows the name in `#[on("…")]`.
    pub(crate) fn of_message(tokens: TokenStream, errors: &mut Errors) -> Self {
        let (mut running, mut ordered_by, mut concurrency) = (Self::default(), None, None);
        let mut is_right = true;
        for setting in settings(tokens, &["concurrency", "ordered_by", "timeout"], "`#[on]`", errors) {
            match setting.name.to_string().as_str() {
                "concurrency" => {
                    let most = errors.take(most(&setting));
                    is_right &= most.is_some();
                    concurrency = most.map(|most| (setting.name.span(), most));
                }
                "ordered_by" => ordered_by = errors.take(member(&setting)).map(|member| (setting.name, member)),
                _ => running.timeout = errors.take(timeout(&setting)),
            }
        }
        running.overlap = concurrency.map(|(span, most)| Overlap { span, most, ordered_by: None });
        match (&mut running.overlap, ordered_by) {
            (Some(overlap), Some((_, member))) => overlap.ordered_by = Some(member),
            (None, Some((name, _))) if is_right => {
                let words = "`ordered_by` says which of the messages that overlap do not: add `concurrency = …`; \
                             without it, all run in order";
                errors.at(name, words);
            }
            (_, _) => {}
        }
        running
    }

    /// Reads what stands in `#[on_text(…)]` and `#[on_binary(…)]`.
    pub(crate) fn of_frame(tokens: TokenStream, of: &str, errors: &mut Errors) -> Self {
        let settings = settings(tokens, &["timeout"], of, errors);
        let timeout = settings.first().and_then(|setting| errors.take(timeout(setting)));
        Self { timeout, overlap: None }
    }
}

fn timeout(setting: &Setting) -> syn::Result<Duration> {
    duration(&setting.text("a time-out in quotes, such as `\"5s\"`")?, TIMEOUT)
}

fn most(setting: &Setting) -> syn::Result<u16> {
    let expected = "how many run at once, a whole number such as `8`";
    let literal: LitInt = setting.parse(LitInt::parse, expected)?;
    let refused = |words: String| Err(syn::Error::new(literal.span(), words));
    match literal.base10_parse::<u16>() {
        _ if !literal.suffix().is_empty() => refused(format!("expected {expected}")),
        Ok(0) => refused("with a concurrency of 0 nothing would ever run: expected 1 or more".into()),
        Ok(most) if most <= MAX_CONCURRENCY => Ok(most),
        Ok(_) | Err(_) => {
            refused(format!("a concurrency is at most {MAX_CONCURRENCY}: each is memory of a connection"))
        }
    }
}

/// A member's name, under the span of what names it: rustc knows whether there is one.
fn member(setting: &Setting) -> syn::Result<Member> {
    let expected = "the name of a member of the payload, such as `\"room\"`";
    setting.parse(|input: ParseStream<'_>| quoted_or_not(input, Member::parse), expected)
}
