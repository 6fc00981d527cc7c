//! Signatures: what a handler or hook may look like.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, FnArg, GenericParam, Receiver, ReceiverKind, ReturnType, Safety, Signature, Type, TypeReference};

use crate::consumer::helper::Kind;
use crate::consumer::model::{Function, Output};
use crate::consumer::parse::Method;
use crate::errors::Errors;

/// Checks a function that bears the attribute `kind`.
pub(crate) fn check(method: &Method, kind: Kind, errors: &mut Errors) -> Function {
    let signature = &method.signature;
    check_qualifiers(signature, kind, errors);
    check_generics(signature, errors);
    check_receiver(signature, kind, errors);
    if kind == Kind::User {
        check_user(signature, errors);
    }
    Function {
        name: signature.ident.clone(),
        has_self: signature.receiver().is_some(),
        exclusive: signature.receiver().filter(|receiver| is_exclusive(receiver)).cloned(),
        is_async: signature.asyncness.is_some(),
        arguments: arguments(signature, kind, errors),
        output: output(&signature.output),
        cfgs: cfgs(&method.attributes),
    }
}

fn check_qualifiers(signature: &Signature, kind: Kind, errors: &mut Errors) {
    let name = kind.name();
    if let Some(constness) = &signature.constness {
        errors.at(constness, format!("`#[{name}]` cannot stand on a `const fn`"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors
            .at(token, format!("`#[{name}]` cannot stand on an `unsafe fn`: it is called for whatever a client sends"));
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, format!("`#[{name}]` cannot stand on an `extern fn`"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, "the number of arguments must be fixed");
    }
}

fn check_generics(signature: &Signature, errors: &mut Errors) {
    for parameter in &signature.generics.params {
        let words = match parameter {
            GenericParam::Lifetime(_) => "a handler has no lifetimes: what it takes is its own",
            GenericParam::Type(_) => "a handler is not generic: nobody would choose the type; the impl block may be",
            GenericParam::Const(_) => "a handler is not generic: nobody would choose the value; the impl block may be",
        };
        errors.at(parameter, words);
    }
}

fn check_receiver(signature: &Signature, kind: Kind, errors: &mut Errors) {
    match (signature.receiver(), kind) {
        (None, Kind::Accept | Kind::Authorize) => {}
        (Some(receiver), Kind::Accept) => {
            errors.at(receiver, "`#[accept]` makes the consumer: there is no `self` yet");
        }
        (Some(receiver), Kind::Authorize) => {
            let words =
                "`#[authorize]` is asked from everywhere, also while a handler has the consumer: it takes no `self`";
            errors.at(receiver, words);
        }
        (None, _) => {
            errors.at(&signature.ident, format!("`{}` needs `&self` or `&mut self`", signature.ident));
        }
        (Some(receiver), _) => {
            // A lifetime that is declared has been refused there.
            let is_declared = signature.generics.lifetimes().next().is_some();
            if let Some(words) = refused_receiver(receiver, is_declared) {
                errors.at(receiver, words);
            }
        }
    }
}

fn refused_receiver(receiver: &Receiver, is_declared: bool) -> Option<&'static str> {
    match &receiver.kind {
        ReceiverKind::Reference(_, None, _) => None,
        ReceiverKind::Reference(_, Some(_), _) if is_declared => None,
        ReceiverKind::Reference(_, Some(_), _) => Some("a handler has no lifetimes: expected `&self` or `&mut self`"),
        ReceiverKind::Value => Some("the consumer lives on after a handler: expected `&self` or `&mut self`"),
        _ => Some("expected `&self` or `&mut self`"),
    }
}

fn is_exclusive(receiver: &Receiver) -> bool {
    matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
}

fn check_user(signature: &Signature, errors: &mut Errors) {
    if let Some(asyncness) = &signature.asyncness {
        errors.at(asyncness, "`#[user]` cannot be `async`: find out in `#[accept]` who it is, and keep it");
    }
    if let Some(ReceiverKind::Reference(_, _, Some(mutability))) = signature.receiver().map(|receiver| &receiver.kind) {
        errors.at(mutability, "`#[user]` takes `&self`");
    }
    for argument in signature.inputs.iter().filter(|argument| matches!(argument, FnArg::Typed(_))) {
        errors.at(argument, "`#[user]` takes `&self` and nothing else");
    }
}

fn arguments(signature: &Signature, kind: Kind, errors: &mut Errors) -> Vec<Type> {
    let mut types = Vec::new();
    for argument in &signature.inputs {
        let FnArg::Typed(argument) = argument else { continue };
        if let Type::Reference(reference) = &*argument.ty {
            if let Some(words) = refused_reference(reference, kind, types.is_empty()) {
                errors.at(reference, words);
            }
        } else if is_opaque(&argument.ty) {
            errors.at(&argument.ty, "an argument's type must be named: what is extracted depends on it");
        }
        for attribute in argument.attrs.iter().filter(|attribute| is_cfg(attribute)) {
            errors.at(attribute, "arguments stand under no condition: put the `#[cfg]` on two handlers");
        }
        types.push((*argument.ty).clone());
    }
    types
}

/// Only the name of a group is borrowed, by `#[authorize]`.
fn refused_reference(reference: &TypeReference, kind: Kind, is_first: bool) -> Option<&'static str> {
    match (kind, is_first, &reference.lifetime) {
        (Kind::Authorize, true, None) => None,
        (Kind::Authorize, true, Some(_)) => Some("the group's name is borrowed for this call: `&str`"),
        (Kind::Authorize, false, _) => Some("the group's name comes first, and all else is taken by value"),
        _ => Some("an argument is taken by value: there is nothing for it to borrow from"),
    }
}

fn output(output: &ReturnType) -> Output {
    match output {
        ReturnType::Default => Output::Unit,
        ReturnType::Type(_, ty) if is_opaque(ty) => Output::Opaque((**ty).clone()),
        ReturnType::Type(_, ty) => Output::Named((**ty).clone()),
    }
}

/// Whether there is an `impl` in a type.
fn is_opaque(ty: &Type) -> bool {
    fn search(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => search(group.stream()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    search(ty.to_token_stream())
}

fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}

/// The conditions of a function. A `cfg_attr` goes with it unread.
fn cfgs(attributes: &[Attribute]) -> Vec<TokenStream> {
    let cfgs = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    cfgs.filter_map(|attribute| Some(attribute.meta.require_list().ok()?.tokens.clone())).collect()
}
