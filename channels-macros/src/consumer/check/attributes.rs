//! What stands in the parentheses of helper attributes, and beside what they stand.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{LitStr, Meta};

use crate::consumer::helper::{Helper, Kind};
use crate::consumer::idempotent::Idempotent;
use crate::consumer::model::Function;
use crate::consumer::parse::Method;
use crate::consumer::rate_limit::Limit;
use crate::consumer::running::{Overlap, Running};
use crate::errors::Errors;
use crate::names::{Direction, refusal};

/// The name in `#[on("…")]`, and how its handler runs.
pub(super) fn message(on: &Helper, errors: &mut Errors) -> Option<(LitStr, Running)> {
    let Meta::List(list) = &on.attribute.meta else {
        errors.at(&on.attribute.meta, "`#[on]` needs the name of its message: `#[on(\"chat_message\")]`");
        return None;
    };
    let mut tokens = list.tokens.clone().into_iter();
    let Some(first) = tokens.next() else {
        errors.at(&on.attribute.meta, "`#[on]` needs the name of its message: `#[on(\"chat_message\")]`");
        return None;
    };
    let running = match tokens.next() {
        None => Running::default(),
        Some(TokenTree::Punct(comma)) if comma.as_char() == ',' => {
            let rest: TokenStream = tokens.collect();
            if let Some(TokenTree::Literal(second)) = rest.clone().into_iter().next() {
                errors.at(second, "a handler takes one message");
                return None;
            }
            Running::of_message(rest, errors)
        }
        Some(TokenTree::Punct(equals)) if equals.as_char() == '=' => {
            errors.at(&first, "`#[on]` begins with the name of its message: `#[on(\"chat_message\", …)]`");
            return None;
        }
        Some(rest) => {
            errors.at(tokens.next().unwrap_or(rest), "expected the name of one message, a string");
            return None;
        }
    };
    let Ok(name) = syn::parse2::<LitStr>(first.to_token_stream()) else {
        let hint = match &first {
            TokenTree::Ident(ident) => format!(": `\"{ident}\"`"),
            _ => String::new(),
        };
        errors.at(&first, format!("the name of a message is a string{hint}"));
        return None;
    };
    match refusal(&name.value(), Direction::Incoming) {
        Some(words) => {
            errors.at(&name, words);
            None
        }
        None => Some((name, running)),
    }
}

/// How the handler of raw frames runs.
pub(super) fn frame(role: &Helper, errors: &mut Errors) -> Running {
    match &role.attribute.meta {
        Meta::List(list) => Running::of_frame(list.tokens.clone(), &format!("`#[{}]`", role.kind.name()), errors),
        Meta::Path(_) | Meta::NameValue(_) => {
            bare(role, errors);
            Running::default()
        }
    }
}

/// What a handler has to be for others to run beside it.
pub(super) fn overlap(overlap: Option<&Overlap>, function: &Function, errors: &mut Errors) {
    let Some(overlap) = overlap else { return };
    let name = &function.name;
    if let Some(receiver) = &function.exclusive {
        let words = format!(
            "`{name}` has `concurrency`, so others run beside it and it cannot have the consumer for itself: \
             take `&self`, and keep what changes in an atomic or a lock"
        );
        errors.at(receiver, words);
    } else if !function.is_async {
        let words = format!("`{name}` is no `async fn`: it never waits, so nothing could run beside it");
        errors.push(syn::Error::new(overlap.span, words));
    }
    if let (Some(member), true) = (&overlap.ordered_by, function.arguments.is_empty()) {
        errors.at(member, format!("there is nothing to order by: `{name}` takes no payload"));
    }
}

/// Refuses what stands behind an attribute that takes nothing.
pub(super) fn bare(helper: &Helper, errors: &mut Errors) {
    match &helper.attribute.meta {
        Meta::Path(_) => {}
        Meta::List(list) if list.tokens.is_empty() => {}
        Meta::List(list) => errors.at(&list.tokens, format!("`#[{}]` takes no arguments", helper.kind.name())),
        Meta::NameValue(pair) => errors.at(&pair.value, format!("`#[{}]` takes no value", helper.kind.name())),
    }
}

pub(super) fn validate(method: &Method, role: &Helper, function: &Function, errors: &mut Errors) -> bool {
    let mut found = method.helpers.iter().filter(|helper| helper.kind == Kind::Validate);
    let Some(validate) = found.next() else { return false };
    bare(validate, errors);
    if let Some(second) = found.next() {
        errors.at(&second.attribute, "a handler has one `#[validate]`");
    }
    if role.kind != Kind::On {
        let name = role.kind.name();
        errors.at(&validate.attribute, format!("`#[validate]` needs an `#[on(\"…\")]` beside it, not `#[{name}]`"));
    } else if function.arguments.is_empty() {
        errors.at(&validate.attribute, format!("there is nothing to validate: `{}` takes no payload", function.name));
    }
    true
}

pub(super) fn limit(method: &Method, role: &Helper, bucket: Option<LitStr>, errors: &mut Errors) -> Option<Limit> {
    let mut found = method.helpers.iter().filter(|helper| helper.kind == Kind::RateLimit);
    let attribute = &found.next()?.attribute;
    if let Some(second) = found.next() {
        errors.at(&second.attribute, "a handler has one `#[rate_limit]`");
    }
    if !matches!(role.kind, Kind::On | Kind::OnText | Kind::OnBinary) {
        let name = role.kind.name();
        errors.at(attribute, format!("`#[rate_limit]` limits messages and frames, not `#[{name}]`"));
        return None;
    }
    let bucket = bucket.unwrap_or_else(|| LitStr::new("", Span::call_site()));
    Limit::parse(attribute, bucket, errors)
}

pub(super) fn idempotent(method: &Method, role: &Helper, errors: &mut Errors) -> Option<Idempotent> {
    let mut found = method.helpers.iter().filter(|helper| helper.kind == Kind::Idempotent);
    let attribute = &found.next()?.attribute;
    if let Some(second) = found.next() {
        errors.at(&second.attribute, "a handler has one `#[idempotent]`");
    }
    if role.kind != Kind::On {
        let name = role.kind.name();
        errors.at(attribute, format!("`#[idempotent]` is about messages with an `id`, not `#[{name}]`"));
        return None;
    }
    Idempotent::parse(attribute, errors)
}
