//! From syntax to the model: every mistake of the block is found here, and reported.

mod attributes;
mod function;
mod whole;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{LitStr, Type, parse_quote};

use super::helper::Kind;
use super::model::{Consumer, Function, Handler, Hook, Role};
use super::options::Options;
use super::parse::{Block, Item, Method};
use super::running::Running;
use crate::errors::Errors;

/// Checks a block. What is found wrong is left out of the model.
pub(crate) fn check(block: &Block, options: &Options, errors: &mut Errors) -> Consumer {
    let mut consumer = Consumer {
        generics: block.generics.clone(),
        self_ty: block.self_ty.clone(),
        outgoing: options.outgoing.clone().unwrap_or_else(|| no("NoMessages", options)),
        state: options.state.clone().unwrap_or_else(|| no("NoState", options)),
        incoming: options.incoming.clone(),
        outbox: options.outbox,
        first_frame: options.first_frame,
        krate: options.krate.clone(),
        handlers: Vec::new(),
        hooks: Vec::new(),
        is_impossible: false,
    };
    consumer.is_impossible = !whole::header(block, errors);
    for item in &block.items {
        if let Item::Method(method) = item {
            check_method(method, &mut consumer, errors);
        }
    }
    whole::incoming(block, options, &consumer, errors);
    whole::twice(&consumer, errors);
    whole::buckets(&consumer, errors);
    whole::overlaps(&consumer, errors);
    whole::idempotent(&consumer, errors);
    consumer
}

/// What stands for an option that is left out.
fn no(name: &str, options: &Options) -> Type {
    let (krate, name) = (&options.krate, syn::Ident::new(name, Span::call_site()));
    parse_quote!(#krate::__private::#name)
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
    let validate = attributes::validate(method, role, &function, errors);
    let itself = || LitStr::new(&function.name.to_string(), function.name.span());
    let called = match role.kind {
        Kind::On => attributes::message(role, errors),
        Kind::OnText | Kind::OnBinary => Some((itself(), attributes::frame(role, errors))),
        _ => {
            attributes::bare(role, errors);
            Some((itself(), Running::default()))
        }
    };
    let limit = attributes::limit(method, role, called.as_ref().map(|(name, _)| name.clone()), errors);
    let idempotent = attributes::idempotent(method, role, errors);
    let Some((message, running)) = called else { return };
    attributes::overlap(running.overlap.as_ref(), &function, errors);
    match hook_of(role.kind) {
        Some(hook) => {
            check_first_argument(hook, &function, errors);
            consumer.hooks.push(Hook { role: hook, span: role.attribute.path().span(), limit, running, function });
        }
        None => consumer.handlers.push(Handler { message, validate, limit, idempotent, running, function }),
    }
}

fn hook_of(kind: Kind) -> Option<Role> {
    match kind {
        Kind::Accept => Some(Role::Accept),
        Kind::User => Some(Role::User),
        Kind::Authorize => Some(Role::Authorize),
        Kind::Connect => Some(Role::Connect),
        Kind::OnText => Some(Role::Text),
        Kind::OnBinary => Some(Role::Binary),
        Kind::Disconnect => Some(Role::Disconnect),
        Kind::Error => Some(Role::Error),
        Kind::On | Kind::Validate | Kind::RateLimit | Kind::Idempotent => None,
    }
}

/// Frames, errors and groups come as the first argument.
fn check_first_argument(role: Role, function: &Function, errors: &mut Errors) {
    let words = match role {
        Role::Text => "`#[on_text]` takes the frame: add an argument, `text: ByteString` or `text: String`",
        Role::Binary => "`#[on_binary]` takes the frame: add an argument, `data: Bytes` or `data: Vec<u8>`",
        Role::Error => "`#[error]` takes the error: add an argument, `error: channels::Error`",
        Role::Authorize => "`#[authorize]` takes the name of the group: add an argument, `group: &str`",
        Role::Accept | Role::User | Role::Connect | Role::Disconnect => return,
    };
    if function.arguments.is_empty() {
        errors.at(&function.name, words);
    }
}
