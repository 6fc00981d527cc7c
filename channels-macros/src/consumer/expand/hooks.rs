//! `accept`, `user` and the other hooks.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::call::{self, Scope};
use super::limit;
use crate::consumer::model::{Consumer, Function, Hook, Role};
use crate::hygiene::local;
use crate::private::through;

/// `#[accept]`, or `Default` where there is none.
pub(super) fn accept(consumer: &Consumer, scope: &Scope) -> TokenStream {
    let Scope { krate, state, parts, given, .. } = scope;
    let header = quote! {
        async fn accept(#parts: &mut #krate::Parts, #given: &#state) -> ::core::result::Result<Self, #krate::Response>
    };
    let accepts = consumer.hooks(Role::Accept).map(|Hook { function, .. }| {
        let cfgs = call::cfgs(function);
        let (names, arguments) = call::accept_arguments(&function.arguments, scope);
        let trait_ = quote!(#krate::Accepted<Self>);
        let accepted = call::call_and(function, &names, scope, &trait_, "accepted", |returned| quote!(#returned));
        quote! {
            #cfgs
            #header {
                #arguments
                #accepted
            }
        }
    });
    let accepts: TokenStream = accepts.collect();
    let unless = call::none_of(consumer.hooks(Role::Accept).map(|hook| &hook.function));
    let by_default = unless.map(|cfg| {
        let itself = &consumer.self_ty;
        let trait_ = quote!(#krate::AcceptsByDefault);
        let made = through(itself, &trait_, "accept_by_default", &TokenStream::new());
        quote! {
            #cfg
            #header {
                ::core::result::Result::Ok(#made)
            }
        }
    });
    quote!(#accepts #by_default)
}

/// Any hook but `#[accept]`.
pub(super) fn hook(hook: &Hook, scope: &Scope) -> TokenStream {
    let Scope { krate, state, sink, cx, replies, .. } = scope;
    let Hook { role, limit, function, .. } = hook;
    let cfgs = call::cfgs(function);
    let limit = limit::check(limit.as_ref(), scope);
    let result = quote!(::core::result::Result<(), #krate::Error>);
    let given = local("given");
    let context = |kind: &str| {
        let kind = Ident::new(kind, Span::call_site());
        quote!(#cx: &#krate::Context<'_, #state, #krate::#kind>)
    };
    let plain = |kind: &str| call::extractors(&function.arguments, 0, kind, scope);
    let (header, (names, arguments)) = match role {
        Role::Accept => return TokenStream::new(),
        Role::User => return user(hook, scope),
        Role::Connect => {
            let cx = context("OnConnect");
            (quote!(async fn connected(&mut self, #cx, #replies: #sink) -> #result), plain("OnConnect"))
        }
        Role::Authorize => {
            let context = context("OnJoin");
            let trait_ = quote!(#krate::GroupArgument<'_>);
            let (names, arguments) = after_given(function, &trait_, "from_group", "OnJoin", scope);
            let group = quote!(let #given = #cx.group(););
            (quote!(async fn authorize(#context) -> #result), (names, quote!(#group #arguments)))
        }
        Role::Disconnect => {
            let cx = context("OnDisconnect");
            (quote!(async fn disconnected(&mut self, #cx) -> #result), plain("OnDisconnect"))
        }
        Role::Text => {
            let (cx, given) = (context("OnFrame"), quote!(#given: #krate::ByteString));
            let header = quote!(async fn text(&mut self, #given, #cx, #replies: #sink) -> #result);
            (header, after_given(function, &quote!(#krate::FromText), "from_text", "OnFrame", scope))
        }
        Role::Binary => {
            let (cx, given) = (context("OnFrame"), quote!(#given: #krate::Bytes));
            let header = quote!(async fn binary(&mut self, #given, #cx, #replies: #sink) -> #result);
            (header, after_given(function, &quote!(#krate::FromBinary), "from_binary", "OnFrame", scope))
        }
        Role::Error => {
            let (cx, given) = (context("OnError"), quote!(#given: #krate::Error));
            let header = quote!(async fn failed(&mut self, #given, #cx, #replies: #sink) -> #result);
            let body = failed(hook, scope);
            return quote!(#cfgs #header { #body });
        }
    };
    let call = match role {
        Role::Authorize => {
            let trait_ = quote!(#krate::Allowed);
            call::call_and(function, &names, scope, &trait_, "allowed", |returned| quote!(#returned))
        }
        Role::Disconnect => call::and_depart(function, &names, scope),
        _ => call::and_reply(function, &names, Some(*role), scope),
    };
    quote! {
        #cfgs
        #header {
            #limit
            #arguments
            #call
        }
    }
}

/// What `#[error]` does, wherever the consumer comes from.
pub(super) fn failed(hook: &Hook, scope: &Scope) -> TokenStream {
    let krate = &scope.krate;
    let function = &hook.function;
    let (names, arguments) = after_given(function, &quote!(#krate::ErrorArgument), "from_error", "OnError", scope);
    let call = call::and_reply(function, &names, Some(hook.role), scope);
    quote! {
        #arguments
        #call
    }
}

/// The arguments of a hook whose first is given, and made by a trait that says what it may be.
fn after_given(
    function: &Function,
    by: &TokenStream,
    make: &str,
    kind: &str,
    scope: &Scope,
) -> (Vec<Ident>, TokenStream) {
    let Some((ty, rest)) = function.arguments.split_first() else { return (Vec::new(), TokenStream::new()) };
    let (first, given) = (call::argument(0), local("given"));
    let made = through(ty, by, make, &quote!(#given));
    let (mut names, rest) = call::extractors(rest, 1, kind, scope);
    names.insert(0, first.clone());
    (names, quote!(let #first = #made; #rest))
}

fn user(hook: &Hook, scope: &Scope) -> TokenStream {
    let (krate, function) = (&scope.krate, &hook.function);
    let trait_ = quote!(#krate::IntoUser);
    let cfgs = call::cfgs(function);
    let user = call::call_and(function, &[], scope, &trait_, "into_user", |returned| quote!(#returned));
    quote! {
        #cfgs
        fn user(&self) -> ::core::option::Option<#krate::UserId> {
            #user
        }
    }
}
