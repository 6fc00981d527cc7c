//! The impl that is written for a consumer. Nothing can fail here.
//!
//! Each argument and reply is called by its trait under the span of its own type, so that rustc's
//! objections stand there; each check of a name under the span of the name.

mod call;
mod dispatch;
mod hooks;
mod limit;
mod running;

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::LitStr;

use self::call::Scope;
use super::duration::millis;
use super::model::{Consumer, Handler, Role};
use crate::private::ends;

/// The impl of `Consumer`.
pub(crate) fn expand(consumer: &Consumer) -> TokenStream {
    let scope = Scope::of(consumer);
    let (consts, checks) = (consts(consumer), checks(consumer));
    let mut functions =
        vec![hooks::accept(consumer, &scope), dispatch::is_ready(consumer), dispatch::message(consumer, &scope)];
    let hooks = consumer.hooks.iter().filter(|hook| hook.role != Role::Accept);
    functions.extend(hooks.map(|hook| hooks::hook(hook, &scope)));
    let (timeouts, overlaps) = (running::timeouts(consumer, &scope), running::overlaps(consumer, &scope));
    let body = quote!(#consts #timeouts #overlaps #(#functions)*);
    let (item, shared) = (item(consumer, body), running::shared(consumer, &scope));
    quote!(#item #shared #checks)
}

/// The impl that stands in where the block has mistakes: what uses the consumer finds one.
pub(crate) fn stand_in(consumer: &Consumer) -> Option<TokenStream> {
    if consumer.is_impossible {
        return None;
    }
    let Scope { krate, state, sink, cx, parts, given, replies, .. } = &Scope::of(consumer);
    let pending = quote!(::core::future::pending().await);
    Some(item(
        consumer,
        quote! {
            const NAMES: &'static [&'static str] = &[];
            async fn accept(#parts: &mut #krate::Parts, #given: &#state) -> ::core::result::Result<Self, #krate::Response> {
                #pending
            }
            async fn message(
                &mut self,
                #cx: &#krate::Context<'_, #state>,
                #replies: #sink,
            ) -> ::core::result::Result<(), #krate::Error> {
                #pending
            }
        },
    ))
}

fn item(consumer: &Consumer, body: TokenStream) -> TokenStream {
    let Consumer { krate, outgoing, state, .. } = consumer;
    let body = quote! {
        type State = #state;
        type Outgoing = #outgoing;
        #body
    };
    implementation(consumer, &quote!(#krate::__private::Consumer), &body)
}

/// The impl of a trait for the consumer.
fn implementation(consumer: &Consumer, trait_: &TokenStream, body: &TokenStream) -> TokenStream {
    let self_ty = &consumer.self_ty;
    let (generics, _, where_clause) = consumer.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_qualifications, unused_variables, clippy::all, clippy::pedantic, clippy::nursery)]
        impl #generics #trait_ for #self_ty #where_clause {
            #body
        }
    }
}

fn consts(consumer: &Consumer) -> TokenStream {
    let krate = Scope::of(consumer).krate;
    let names = names(consumer);
    let layout = consumer
        .incoming
        .as_ref()
        .map(|incoming| quote!(const LAYOUT: #krate::Layout = <#incoming as #krate::Incoming>::LAYOUT;));
    let outbox = consumer.outbox.map(|policy| {
        let variant = policy.variant();
        quote!(const OUTBOX: #krate::OutboxPolicy = #krate::OutboxPolicy::#variant;)
    });
    let flag = |name: &str, mut conditions: Vec<TokenStream>| {
        let name = Ident::new(name, Span::call_site());
        let condition = match conditions.pop() {
            None => return TokenStream::new(),
            Some(last) => quote!(#(#conditions ||)* #last),
        };
        quote!(const #name: bool = #condition;)
    };
    let takes = |role| consumer.hooks(role).map(|hook| call::is_compiled(&hook.function)).collect();
    let ready = |role| {
        let ready = consumer.hooks(role).filter(|hook| hook.function.is_ready(hook.limit.as_ref()));
        ready.map(|hook| call::is_compiled(&hook.function)).collect()
    };
    let by_ip = consumer.limits().filter(|(limit, _)| limit.is_by_ip());
    let by_ip = by_ip.map(|(_, function)| call::is_compiled(function)).collect();
    let flags = [
        flag("TAKES_TEXT", takes(Role::Text)),
        flag("TAKES_BINARY", takes(Role::Binary)),
        flag("TAKES_ERRORS", takes(Role::Error)),
        flag("AUTHORIZES", takes(Role::Authorize)),
        flag("TEXT_IS_READY", ready(Role::Text)),
        flag("BINARY_IS_READY", ready(Role::Binary)),
        flag("LIMITS_BY_IP", by_ip),
    ];
    let first_frame = consumer.first_frame.map(millis).map(|millis| {
        quote! {
            const FIRST_FRAME: ::core::option::Option<::core::time::Duration> =
                ::core::option::Option::Some(::core::time::Duration::from_millis(#millis));
        }
    });
    let buckets: BTreeSet<_> = consumer.limits().map(|(limit, _)| limit.bucket.value()).collect();
    let buckets = (!buckets.is_empty()).then(|| {
        let buckets = buckets.iter().map(|bucket| LitStr::new(bucket, Span::call_site()));
        quote!(const BUCKETS: &'static [&'static str] = &[#(#buckets),*];)
    });
    quote! {
        const NAMES: &'static [&'static str] = #names;
        #layout
        #outbox
        #(#flags)*
        #first_frame
        #buckets
    }
}

/// The names it handles, each under its handler's conditions.
fn names(consumer: &Consumer) -> TokenStream {
    let names = consumer.handlers.iter().map(|Handler { message, function, .. }| {
        let cfgs = call::cfgs(function);
        // Not the user's own literal, which would be underlined twice.
        let message = LitStr::new(&message.value(), Span::call_site());
        quote!(#cfgs #message)
    });
    quote!(&[#(#names),*])
}

/// No name of the enum is without a handler; said at `incoming = …`.
fn checks(consumer: &Consumer) -> Option<TokenStream> {
    let incoming = consumer.incoming.as_ref()?;
    let krate = Scope::of(consumer).krate;
    let (names, itself) = (names(consumer), call::shown(&consumer.self_ty));
    let ((first, last), inside) = (ends(incoming), quote!(<#incoming as #krate::Incoming>::NAMES, #names, #itself));
    let (krate, inside) = (krate.at(first), quote_spanned!(last=> (#inside)));
    let complete = quote_spanned!(first=> #krate::complete);
    Some(quote!(const _: () = #complete #inside;))
}
