//! `message`: one arm for each `#[on("…")]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, Type};

use super::call::{self, Scope};
use super::{limit, running};
use crate::consumer::duration::millis;
use crate::consumer::idempotent::Idempotent;
use crate::consumer::model::{Consumer, Handler};
use crate::consumer::running::Running;
use crate::hygiene::local;
use crate::private::through;

/// One arm for each handler.
pub(super) fn message(consumer: &Consumer, scope: &Scope) -> TokenStream {
    let Scope { krate, state, sink, cx, replies, .. } = scope;
    let incoming = consumer.incoming.as_ref();
    let arms = consumer.handlers.iter().filter_map(|handler| match handler.running.overlap {
        Some(_) => Some(running::alone(handler, scope)),
        None => Some(arm(handler, incoming?, scope)),
    });
    let unknown = local("unknown");
    quote! {
        async fn message(
            &mut self,
            #cx: &#krate::Context<'_, #state>,
            #replies: #sink,
        ) -> ::core::result::Result<(), #krate::Error> {
            match #cx.message().name() {
                #(#arms)*
                #unknown => ::core::result::Result::Err(#krate::unknown_message(#unknown)),
            }
        }
    }
}

/// Which messages are handled without waiting for anything, as far as that can be seen here.
pub(super) fn is_ready(consumer: &Consumer) -> TokenStream {
    let name = local("name");
    let arms = consumer.handlers.iter().map(|Handler { message, limit, idempotent, function, .. }| {
        let (cfgs, message) = (call::cfgs(function), LitStr::new(&message.value(), Span::call_site()));
        let is_ready = function.is_ready(limit.as_ref()) && idempotent.is_none();
        quote!(#cfgs #message => #is_ready,)
    });
    quote! {
        fn is_ready(#name: &str) -> bool {
            match #name {
                #(#arms)*
                _ => true,
            }
        }
    }
}

pub(super) fn arm(handler: &Handler, incoming: &Type, scope: &Scope) -> TokenStream {
    let Scope { krate, .. } = scope;
    let Handler { message, validate, limit, idempotent, running, function } = handler;
    let name = LitStr::new(&message.value(), Span::call_site());
    let cfgs = call::cfgs(function);
    let limit = limit::check(limit.as_ref(), scope);
    let once = idempotent.as_ref().map(|idempotent| once(idempotent, message, running, scope));
    let taken = |part: &str| {
        let part = Ident::new(part, Span::call_site());
        quote!(<#incoming as #krate::HasMessage<__Message>>::#part)
    };
    let (names, first, rest) = match function.arguments.split_first() {
        None => {
            let span = function.name.span();
            // The enum keeps its own span: that it does not exist is said there, once.
            let krate = krate.at(span);
            let payload = quote_spanned!(span=> <#incoming as #krate::HasMessage<__Message>>::Payload);
            (Vec::new(), quote_spanned!(span=> let () = <#payload as #krate::NoArguments>::NONE;), TokenStream::new())
        }
        Some((ty, rest)) => {
            let first = call::argument(0);
            let take = call::first_argument(ty, taken, scope);
            let trait_ = quote!(#krate::Validatable);
            let check = validate.then(|| {
                let check = through(ty, &trait_, "check", &quote!(&#first));
                quote!(#check?;)
            });
            let (mut names, rest) = call::extractors(rest, 1, "OnMessage", scope);
            names.insert(0, first.clone());
            (names, quote!(let #first = #take; #check), rest)
        }
    };
    let call = call::and_reply(function, &names, None, scope);
    let found = index(handler, incoming, scope);
    quote! {
        #cfgs
        #name => {
            type __Message = #krate::At<{ #found }>;
            #limit
            #first
            #once
            #rest
            #call
        }
    }
}

/// The place of its message among those of the enum; that there is none is said at its name.
pub(super) fn index(handler: &Handler, incoming: &Type, scope: &Scope) -> TokenStream {
    let (message, shown) = (&handler.message, call::shown(incoming));
    let span = message.span();
    let krate = scope.krate.at(span);
    quote_spanned!(span=> #krate::index(<#incoming as #krate::Incoming>::NAMES, #message, #shown))
}

/// Whether the request was answered before: after its limit, and once its payload is known to be one, so that of what never
/// ran nothing is remembered.
fn once(idempotent: &Idempotent, message: &LitStr, running: &Running, scope: &Scope) -> TokenStream {
    let Scope { krate, cx, itself, takes_errors, .. } = scope;
    let (window, message) = (millis(idempotent.window), LitStr::new(&message.value(), Span::call_site()));
    let timeout = match running.timeout.map(millis) {
        Some(millis) => quote!(#krate::timeout(#millis)),
        None => quote!(::core::option::Option::None),
    };
    let window = quote!(::core::time::Duration::from_millis(#window));
    // Two modules may each have one of this name.
    let itself = quote!(::core::concat!(::core::module_path!(), "::", #itself));
    quote! {
        if #krate::once(#cx, &const {
            #krate::idempotent(#itself, #message, #window, #timeout, #takes_errors)
        }).await? {
            return ::core::result::Result::Ok(());
        }
    }
}
