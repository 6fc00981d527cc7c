//! How long handlers run, and which of them beside each other.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, Member, Type};

use super::call::{self, Scope};
use super::dispatch;
use crate::consumer::duration::millis;
use crate::consumer::model::{Consumer, Handler, Hook, Role};
use crate::hygiene::local;

/// The time-outs that differ from the configuration's.
pub(super) fn timeouts(consumer: &Consumer, scope: &Scope) -> TokenStream {
    let krate = &scope.krate;
    let frames = consumer.hooks.iter().filter_map(|Hook { role, running, function, .. }| {
        let name = match role {
            Role::Text => "TEXT_TIMEOUT",
            Role::Binary => "BINARY_TIMEOUT",
            _ => return None,
        };
        let (name, cfgs) = (Ident::new(name, Span::call_site()), call::cfgs(function));
        let millis = millis(running.timeout?);
        Some(quote! {
            #cfgs
            const #name: ::core::option::Option<#krate::Timeout> = #krate::timeout(#millis);
        })
    });
    let arms: Vec<_> = consumer
        .handlers
        .iter()
        .filter_map(|Handler { message, running, function, .. }| {
            let (cfgs, message) = (call::cfgs(function), LitStr::new(&message.value(), Span::call_site()));
            let millis = millis(running.timeout?);
            Some(quote!(#cfgs #message => const { #krate::timeout(#millis) },))
        })
        .collect();
    let name = local("name");
    let messages = (!arms.is_empty()).then(|| {
        quote! {
            fn timeout(#name: &str) -> ::core::option::Option<#krate::Timeout> {
                match #name {
                    #(#arms)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    });
    quote!(#(#frames)* #messages)
}

/// Which messages overlap, and the consumer as their handlers share it.
pub(super) fn overlaps(consumer: &Consumer, scope: &Scope) -> Option<TokenStream> {
    consumer.overlapping().next()?;
    let Scope { krate, state, outgoing, .. } = scope;
    let given = local("message");
    let arms = consumer.overlapping().enumerate().map(|(index, (handler, overlap))| {
        let (cfgs, name) = (call::cfgs(&handler.function), LitStr::new(&handler.message.value(), Span::call_site()));
        // From 1, as 0 is the place of refusals; a block has fewer handlers than a u16 counts.
        let (index, most) = (u16::try_from(index + 1).unwrap_or(u16::MAX), overlap.most);
        let order = match (&overlap.ordered_by, &consumer.incoming) {
            (Some(member), Some(incoming)) => order(handler, member, incoming, &given, scope),
            (_, _) => quote!(::core::option::Option::None),
        };
        quote!(#cfgs #name => ::core::option::Option::Some(#krate::Overlap::new(#index, #most, #order)),)
    });
    Some(quote! {
        const OVERLAPS: bool = true;
        fn overlap(#given: &#krate::Message) -> ::core::option::Option<#krate::Overlap> {
            match #given.name() {
                #(#arms)*
                _ => ::core::option::Option::None,
            }
        }
        fn shared(&self) -> ::core::option::Option<&dyn #krate::Overlapping<#state, #outgoing>> {
            ::core::option::Option::Some(self)
        }
    })
}

/// The value that a message is ordered by; that the payload has none such is said at the name of the member.
fn order(handler: &Handler, member: &Member, incoming: &Type, given: &Ident, scope: &Scope) -> TokenStream {
    let krate = &scope.krate;
    let span = match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    };
    let index = dispatch::index(handler, incoming, scope);
    let (order, payload) = {
        // A local of the name's own place: of an expression of several places, rustc would underline the whole block.
        let (krate, payload) = (krate.at(span), Ident::new("__payload", span));
        (quote_spanned!(span=> #krate::order(&#payload.#member)), payload)
    };
    quote! {{
        type __Message = #krate::At<{ #index }>;
        let #payload = <#incoming as #krate::HasMessage<__Message>>::read(#given);
        ::core::result::Result::ok(::core::result::Result::map(#payload, |#payload| #order))
    }}
}

/// The handlers that overlap, and who answers their errors, with the consumer shared.
pub(super) fn shared(consumer: &Consumer, scope: &Scope) -> Option<TokenStream> {
    consumer.overlapping().next()?;
    let Scope { krate, state, outgoing, cx, replies, .. } = scope;
    let incoming = consumer.incoming.as_ref();
    let arms = consumer.overlapping().filter_map(|(handler, _)| Some(dispatch::arm(handler, incoming?, scope)));
    let (unknown, given) = (local("unknown"), local("given"));
    let result = quote!(#krate::BoxFuture<'__a, ::core::result::Result<(), #krate::Error>>);
    let failed = consumer.hooks(Role::Error).map(|hook| {
        let (cfgs, body) = (call::cfgs(&hook.function), super::hooks::failed(hook, scope));
        quote! {
            #cfgs
            fn failed<'__a>(
                &'__a self,
                #given: #krate::Error,
                #cx: &'__a #krate::Context<'_, #state, #krate::OnError>,
                #replies: &'__a mut dyn #krate::ReplySink<#outgoing>,
            ) -> #result {
                #krate::boxed(async move { #body })
            }
        }
    });
    let body = quote! {
        fn message<'__a>(
            &'__a self,
            #cx: &'__a #krate::Context<'_, #state>,
            #replies: &'__a mut dyn #krate::ReplySink<#outgoing>,
        ) -> #result {
            #krate::boxed(async move {
                match #cx.message().name() {
                    #(#arms)*
                    #unknown => ::core::result::Result::Err(#krate::not_overlapping(#unknown)),
                }
            })
        }
        #(#failed)*
    };
    Some(super::implementation(consumer, &quote!(#krate::Overlapping<#state, #outgoing>), &body))
}

/// The arm of a handler that overlaps where it has the consumer for itself: as if nothing ran beside it.
pub(super) fn alone(handler: &Handler, scope: &Scope) -> TokenStream {
    let Scope { krate, cx, replies, .. } = scope;
    let (cfgs, name) = (call::cfgs(&handler.function), LitStr::new(&handler.message.value(), Span::call_site()));
    quote!(#cfgs #name => #krate::alone(self, #cx, #replies).await,)
}
