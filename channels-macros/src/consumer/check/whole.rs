//! What only the whole block shows: its type, its options beside its handlers, and what is there twice.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericParam, Type};

use crate::consumer::model::{Consumer, Function, Handler, Role};
use crate::consumer::options::Options;
use crate::consumer::parse::Block;
use crate::consumer::rate_limit::Limit;
use crate::errors::Errors;

/// Whether the type can be a consumer.
pub(super) fn header(block: &Block, errors: &mut Errors) -> bool {
    if let Some((path, for_token)) = &block.trait_ {
        let tokens = quote::quote!(#path #for_token);
        errors.at(tokens, "`#[consumer]` goes on an impl block of its own, not on one of a trait");
    }
    let mut is_possible = true;
    let borrows = "a consumer lives as long as its connection, so it borrows nothing";
    for parameter in &block.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                errors.at(lifetime, borrows);
                is_possible = false;
            }
            // Whatever is made of it, it has to outlive the request; with a bound, rustc knows whether it does.
            GenericParam::Type(ty) if ty.bounds.is_empty() && block.generics.where_clause.is_none() => {
                let ident = &ty.ident;
                let words = "a consumer lives as long as its connection and moves between threads";
                errors.at(ty, format!("{words}: write `{ident}: Send + 'static`"));
                is_possible = false;
            }
            GenericParam::Type(_) | GenericParam::Const(_) => {}
        }
    }
    if block.generics.lifetimes().next().is_none()
        && let Some(lifetime) = borrowed(block.self_ty.to_token_stream())
    {
        errors.push(syn::Error::new(lifetime, borrows));
        is_possible = false;
    }
    is_possible
}

/// Where a type borrows, other than for ever.
fn borrowed(ty: TokenStream) -> Option<Span> {
    let mut tokens = ty.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(quote) if quote.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(name)) if name != "static" => return Some(name.span()),
                _ => {}
            },
            TokenTree::Group(group) => {
                if let Some(span) = borrowed(group.stream()) {
                    return Some(span);
                }
            }
            _ => {}
        }
    }
    None
}

pub(super) fn incoming(block: &Block, options: &Options, consumer: &Consumer, errors: &mut Errors) {
    let text = consumer.hooks(Role::Text).next();
    if let Some(text) = text {
        let name = &text.function.name;
        let instead = "`#[on_text]` takes every text frame, so no message is left for";
        for handler in &consumer.handlers {
            errors.at(&handler.message, format!("{instead} an `#[on(\"…\")]` beside `{name}`"));
        }
        if let (Some(incoming), true) = (&options.incoming, consumer.handlers.is_empty()) {
            errors.at(incoming, format!("{instead} `incoming` beside `{name}`"));
        }
    } else if !options.says_incoming {
        let words = "`#[consumer]` needs `incoming = …`, the enum of the messages that clients may send";
        let words = match consumer.handlers.is_empty() {
            true => format!("{words}, or an `#[on_text]` that takes every text frame as it is"),
            false => words.to_owned(),
        };
        // At the attribute, but as if the user had written it: "originates in a macro" helps nobody.
        let span = Span::call_site().resolved_at(block.impl_token.span);
        errors.push(syn::Error::new(span, words));
    }
    if let Some(incoming) = &options.incoming {
        concrete(incoming, consumer, errors);
    }
}

/// Names are looked up in constants, which know nothing of generics.
fn concrete(incoming: &Type, consumer: &Consumer, errors: &mut Errors) {
    let parameters: Vec<_> = consumer
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(ty) => Some(&ty.ident),
            GenericParam::Const(value) => Some(&value.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    let mut stack: Vec<_> = incoming.to_token_stream().into_iter().collect();
    while let Some(token) = stack.pop() {
        match token {
            TokenTree::Group(group) => stack.extend(group.stream()),
            TokenTree::Ident(ident) if parameters.contains(&&ident) || ident == "Self" => {
                errors
                    .at(&ident, "`incoming` is one enum, known at this place: it cannot depend on the impl's generics");
            }
            _ => {}
        }
    }
}

/// Each hook and each message once; under a `cfg`, rustc knows whether it is twice.
pub(super) fn twice(consumer: &Consumer, errors: &mut Errors) {
    let mut messages: HashMap<String, &Handler> = HashMap::new();
    for handler in &consumer.handlers {
        let other = messages.entry(handler.message.value()).or_insert(handler);
        if !std::ptr::eq(*other, handler) && other.function.cfgs.is_empty() && handler.function.cfgs.is_empty() {
            let words = format!("the message has a handler already: `{}`", other.function.name);
            errors.at(&handler.message, words);
        }
    }
    for (index, hook) in consumer.hooks.iter().enumerate() {
        let other = consumer.hooks.iter().take(index).find(|other| other.role == hook.role);
        if let Some(other) = other.filter(|other| other.function.cfgs.is_empty() && hook.function.cfgs.is_empty()) {
            let words = format!("a consumer has one `#[{}]`, and `{}` is it", hook.role.name(), other.function.name);
            errors.push(syn::Error::new(hook.span, words));
        }
    }
}

/// A request is somebody's.
pub(super) fn idempotent(consumer: &Consumer, errors: &mut Errors) {
    if consumer.hooks(Role::User).next().is_some() {
        return;
    }
    for idempotent in consumer.handlers.iter().filter_map(|handler| handler.idempotent.as_ref()) {
        let words = "`#[idempotent]` knows a request again by its user and its `id`: add a `#[user]` function";
        errors.push(syn::Error::new(idempotent.span, words));
    }
}

/// Who answers errors has nothing for itself while handlers run beside it.
pub(super) fn overlaps(consumer: &Consumer, errors: &mut Errors) {
    let Some((handler, _)) = consumer.overlapping().next() else { return };
    for hook in consumer.hooks(Role::Error) {
        if let Some(receiver) = &hook.function.exclusive {
            let words = format!(
                "`#[error]` answers while handlers with `concurrency`, such as `{}`, run on: take `&self`",
                handler.function.name
            );
            errors.at(receiver, words);
        }
    }
}

pub(super) fn buckets(consumer: &Consumer, errors: &mut Errors) {
    let mut buckets: HashMap<String, (&Limit, &Function)> = HashMap::new();
    for (limit, function) in consumer.limits() {
        let (other, by) = *buckets.entry(limit.bucket.value()).or_insert((limit, function));
        if !limit.agrees(other) {
            let bucket = limit.bucket.value();
            let words = format!("`{}` shares the bucket `{bucket}` and states another limit", by.name);
            errors.at(&limit.bucket, words);
        }
    }
}
