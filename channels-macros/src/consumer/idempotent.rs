//! `#[idempotent(window = "5m")]`.

use std::time::Duration;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Meta};

use super::duration::{Noun, duration};
use crate::errors::Errors;
use crate::settings::settings;

const WINDOW: Noun = Noun { name: "window", of_zero: "would remember nothing" };

const EXAMPLE: &str = "such as `#[idempotent(window = \"5m\")]`";

/// A handler that runs once for each request.
#[derive(Clone, Debug)]
pub(crate) struct Idempotent {
    /// Where it is said.
    pub(crate) span: Span,
    /// How long an answer is kept.
    pub(crate) window: Duration,
}

impl Idempotent {
    pub(crate) fn parse(attribute: &Attribute, errors: &mut Errors) -> Option<Self> {
        let span = attribute.path().span();
        let missing = format!("`#[idempotent]` needs a window, {EXAMPLE}");
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            other => {
                errors.at(other, missing);
                return None;
            }
        };
        if tokens.is_empty() {
            errors.at(&attribute.meta, missing);
            return None;
        }
        let settings = settings(tokens, &["window"], "`#[idempotent]`", errors);
        let text = settings.first().map(|setting| setting.text("a window in quotes, such as `\"5m\"`"));
        let window = errors.take(text?.and_then(|literal| duration(&literal, WINDOW)))?;
        Some(Self { span, window })
    }
}
