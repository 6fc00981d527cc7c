//! From syntax to the model: every mistake of the block is found here, and reported.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{GenericParam, LitStr, Meta, Type, parse_quote};

use super::function;
use super::helper::{Helper, Kind};
use super::model::{Consumer, Function, Handler, Hook, Role};
use super::options::Options;
use super::parse::{Block, Item, Method};
use super::rate_limit::Limit;
use crate::errors::Errors;
use crate::names::{Direction, refusal};

/// Checks a block. What is found wrong is left out of the model.
pub(crate) fn check(block: &Block, options: &Options, errors: &mut Errors) -> Consumer {
    let mut consumer = Consumer {
        generics: block.generics.clone(),
        self_ty: block.self_ty.clone(),
        outgoing: options.outgoing.clone().unwrap_or_else(|| no("NoMessages", options)),
        state: options.state.clone().unwrap_or_else(|| no("NoState", options)),
        incoming: options.incoming.clone(),
        krate: options.krate.clone(),
        handlers: Vec::new(),
        hooks: Vec::new(),
        is_impossible: false,
    };
    consumer.is_impossible = !check_header(block, errors);
    for item in &block.items {
        if let Item::Method(method) = item {
            check_method(method, &mut consumer, errors);
        }
    }
    check_incoming(block, options, &consumer, errors);
    check_twice(&consumer, errors);
    check_buckets(&consumer, errors);
    consumer
}

/// What stands for an option that is left out.
fn no(name: &str, options: &Options) -> Type {
    let (krate, name) = (&options.krate, syn::Ident::new(name, Span::call_site()));
    parse_quote!(#krate::__private::#name)
}

/// Whether the type can be a consumer.
fn check_header(block: &Block, errors: &mut Errors) -> bool {
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

fn check_method(method: &Method, consumer: &mut Consumer, errors: &mut Errors) {
    for hidden in &method.hidden {
        let words = "`#[consumer]` cannot look into a `cfg_attr`: put `#[cfg(…)]` on the handler, or on one of two";
        errors.at(hidden, words);
    }
    let mut roles = method.helpers.iter().filter(|helper| helper.kind.is_role());
    let Some(role) = roles.next() else {
        for helper in &method.helpers {
            let name = helper.kind.name();
            errors.at(&helper.attribute, format!("`#[{name}]` needs an `#[on(\"…\")]` beside it"));
        }
        return;
    };
    for other in roles {
        let (one, other_name) = (role.kind.name(), other.kind.name());
        let words = if one == other_name {
            format!("a handler has one `#[{one}]`")
        } else {
            format!("a function cannot be both `#[{one}]` and `#[{other_name}]`")
        };
        errors.at(&other.attribute, words);
    }
    let function = function::check(method, role.kind, errors);
    let validate = check_validate(method, role, &function, errors);
    let name = match role.kind {
        Kind::On => message(role, errors),
        _ => {
            bare(role, errors);
            Some(LitStr::new(&function.name.to_string(), function.name.span()))
        }
    };
    let limit = check_limit(method, role, name.clone(), errors);
    match (hook_of(role.kind), name) {
        (Some(hook), _) => {
            check_first_argument(hook, &function, errors);
            consumer.hooks.push(Hook { role: hook, span: role.attribute.path().span(), limit, function });
        }
        (None, Some(message)) => consumer.handlers.push(Handler { message, validate, limit, function }),
        (None, None) => {}
    }
}

fn hook_of(kind: Kind) -> Option<Role> {
    match kind {
        Kind::Accept => Some(Role::Accept),
        Kind::User => Some(Role::User),
        Kind::Connect => Some(Role::Connect),
        Kind::OnText => Some(Role::Text),
        Kind::OnBinary => Some(Role::Binary),
        Kind::Disconnect => Some(Role::Disconnect),
        Kind::Error => Some(Role::Error),
        Kind::On | Kind::Validate | Kind::RateLimit => None,
    }
}

/// The name in `#[on("…")]`.
fn message(on: &Helper, errors: &mut Errors) -> Option<LitStr> {
    let Meta::List(list) = &on.attribute.meta else {
        errors.at(&on.attribute.meta, "`#[on]` needs the name of its message: `#[on(\"chat_message\")]`");
        return None;
    };
    let mut tokens = list.tokens.clone().into_iter();
    let Some(first) = tokens.next() else {
        errors.at(&on.attribute.meta, "`#[on]` needs the name of its message: `#[on(\"chat_message\")]`");
        return None;
    };
    if let Some(rest) = tokens.next() {
        let words = match &rest {
            TokenTree::Punct(comma) if comma.as_char() == ',' => "a handler takes one message",
            _ => "expected the name of one message, a string",
        };
        errors.at(tokens.next().unwrap_or(rest), words);
        return None;
    }
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
        None => Some(name),
    }
}

/// Refuses what stands behind an attribute that takes nothing.
fn bare(helper: &Helper, errors: &mut Errors) {
    match &helper.attribute.meta {
        Meta::Path(_) => {}
        Meta::List(list) if list.tokens.is_empty() => {}
        Meta::List(list) => errors.at(&list.tokens, format!("`#[{}]` takes no arguments", helper.kind.name())),
        Meta::NameValue(pair) => errors.at(&pair.value, format!("`#[{}]` takes no value", helper.kind.name())),
    }
}

fn check_validate(method: &Method, role: &Helper, function: &Function, errors: &mut Errors) -> bool {
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

fn check_limit(method: &Method, role: &Helper, bucket: Option<LitStr>, errors: &mut Errors) -> Option<Limit> {
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

/// Frames and errors come as the first argument.
fn check_first_argument(role: Role, function: &Function, errors: &mut Errors) {
    let words = match role {
        Role::Text => "`#[on_text]` takes the frame: add an argument, `text: ByteString` or `text: String`",
        Role::Binary => "`#[on_binary]` takes the frame: add an argument, `data: Bytes` or `data: Vec<u8>`",
        Role::Error => "`#[error]` takes the error: add an argument, `error: channels::Error`",
        Role::Accept | Role::User | Role::Connect | Role::Disconnect => return,
    };
    if function.arguments.is_empty() {
        errors.at(&function.name, words);
    }
}

fn check_incoming(block: &Block, options: &Options, consumer: &Consumer, errors: &mut Errors) {
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
        check_concrete(incoming, consumer, errors);
    }
}

/// Names are looked up in constants, which know nothing of generics.
fn check_concrete(incoming: &Type, consumer: &Consumer, errors: &mut Errors) {
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
                errors.at(&ident, "`incoming` is one enum, known at this place: it cannot depend on the impl's generics");
            }
            _ => {}
        }
    }
}

/// Each hook and each message once; under a `cfg`, rustc knows whether it is twice.
fn check_twice(consumer: &Consumer, errors: &mut Errors) {
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

fn check_buckets(consumer: &Consumer, errors: &mut Errors) {
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
