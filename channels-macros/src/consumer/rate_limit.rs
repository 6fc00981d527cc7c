//! `#[rate_limit(20, per = "10s", by = user, bucket = "posting", observe_only)]`.

use std::time::Duration;

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, LitInt, LitStr, Meta};

use super::duration::{self, Noun, duration};
use crate::errors::Errors;
use crate::names::suggestion;
use crate::settings::{Setting, quoted_or_not, settings, split};

/// What a limit's duration is called.
const PERIOD: Noun = Noun { name: "period", of_zero: "would be no limit" };

const EXAMPLE: &str = "such as `#[rate_limit(20, per = \"10s\")]`";

/// A limit, checked.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) count: u32,
    pub(crate) per: Duration,
    pub(crate) by: By,
    /// Its own, or the message's name.
    pub(crate) bucket: LitStr,
    /// It refuses nothing.
    pub(crate) observe_only: bool,
}

/// Whose messages are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    #[default]
    Connection,
    User,
    Ip,
}

impl Limit {
    /// Reads the attribute; `bucket` is the name that the limit has where it states none.
    pub(crate) fn parse(attribute: &Attribute, bucket: LitStr, errors: &mut Errors) -> Option<Self> {
        let Meta::List(list) = &attribute.meta else {
            errors.at(&attribute.meta, format!("`#[rate_limit]` needs a count and a period, {EXAMPLE}"));
            return None;
        };
        let mut parts = split(list.tokens.clone());
        if parts.is_empty() {
            errors.at(&attribute.meta, format!("`#[rate_limit]` needs a count and a period, {EXAMPLE}"));
            return None;
        }
        let count = match parts.iter().position(|part| !is_setting(part)) {
            Some(0) => errors.take(count(parts.remove(0))),
            Some(later) => {
                errors.at(parts.remove(later), format!("the count comes first, {EXAMPLE}"));
                None
            }
            None => {
                errors.at(&attribute.meta, format!("`#[rate_limit]` begins with a count, {EXAMPLE}"));
                None
            }
        };
        let rest = parts.into_iter().flat_map(|part| [part, quote::quote!(,)]).collect();
        let mut limit = Self { count: 1, per: duration::MAX, by: By::default(), bucket, observe_only: false };
        let (mut says_per, mut is_right) = (false, true);
        for setting in settings(rest, &["per", "by", "bucket", "observe_only"], "`#[rate_limit]`", errors) {
            says_per |= setting.name == "per";
            if setting.name == "observe_only" {
                setting.bare(errors);
                limit.observe_only = true;
                continue;
            }
            is_right &= errors.take(limit.set(&setting)).is_some();
        }
        if !says_per {
            errors.at(&attribute.meta, format!("`#[rate_limit]` needs a period, {EXAMPLE}"));
        }
        limit.count = count?;
        (says_per && is_right).then_some(limit)
    }

    fn set(&mut self, setting: &Setting) -> syn::Result<()> {
        match setting.name.to_string().as_str() {
            "per" => self.per = duration(&setting.text("a period in quotes, such as `\"10s\"`")?, PERIOD)?,
            "by" => {
                self.by = by(&setting.parse(
                    |input: ParseStream<'_>| quoted_or_not(input, Ident::parse),
                    "`connection`, `user` or `ip`",
                )?)?
            }
            _ => self.bucket = bucket(setting.text("a name in quotes, such as `\"posting\"`")?)?,
        }
        Ok(())
    }

    /// Whether two limits of one bucket agree.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        (self.count, self.per, self.by) == (other.count, other.per, other.by)
    }
}

/// Whether this may be meant as `name = value`.
fn is_setting(part: &TokenStream) -> bool {
    matches!(part.clone().into_iter().next(), Some(TokenTree::Ident(_)))
}

fn count(tokens: TokenStream) -> syn::Result<u32> {
    let refused = |words: &str| syn::Error::new_spanned(&tokens, words);
    let expected = "expected a count: a whole number of 1 or more";
    let literal = LitInt::parse.parse2(tokens.clone()).map_err(|_| refused(expected))?;
    if !literal.suffix().is_empty() || literal.base10_digits().starts_with('-') {
        return Err(refused(expected));
    }
    match literal.base10_parse() {
        Ok(0) => Err(refused("a limit of 0 would refuse everything: expected 1 or more")),
        Ok(count) => Ok(count),
        Err(_) => Err(refused("a count is at most 4294967295")),
    }
}

fn by(name: &Ident) -> syn::Result<By> {
    const KNOWN: [(&str, By); 3] = [("connection", By::Connection), ("user", By::User), ("ip", By::Ip)];
    let text = name.to_string();
    let found = KNOWN.iter().find(|(known, _)| *known == text);
    found.map(|(_, by)| *by).ok_or_else(|| {
        let hint = suggestion(&text, KNOWN.map(|(known, _)| known));
        syn::Error::new(name.span(), format!("a limit cannot count by `{text}`; {hint}"))
    })
}

fn bucket(literal: LitStr) -> syn::Result<LitStr> {
    let text = literal.value();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.is_empty() || !text.chars().all(is_fine) {
        let words = "a bucket is named by letters, digits, `_`, `.` and `-`: it is a name in `WS_RATE_LIMITS`";
        return Err(syn::Error::new(literal.span(), words));
    }
    Ok(literal)
}
