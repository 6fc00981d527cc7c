//! The impl that is written for a consumer. Nothing can fail here.
//!
//! Each argument and reply is called by its trait under the span of its own type, so that rustc's
//! objections stand there; each check of a name under the span of the name.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, Type};

use super::call::{self, Scope};
use super::limit;
use super::model::{Consumer, Handler, Hook, Role};
use crate::hygiene::local;
use crate::private::{ends, through};

/// The impl of `Consumer`.
pub(crate) fn expand(consumer: &Consumer) -> TokenStream {
    let scope = Scope::of(consumer);
    let (consts, checks) = (consts(consumer), checks(consumer));
    let mut functions = vec![accept(consumer, &scope), message(consumer, &scope)];
    let hooks = consumer.hooks.iter().filter(|hook| hook.role != Role::Accept);
    functions.extend(hooks.map(|hook| self::hook(hook, &scope)));
    let body = quote!(#consts #(#functions)*);
    let item = item(consumer, body);
    quote!(#item #checks)
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
    let Consumer { krate, self_ty, outgoing, state, .. } = consumer;
    let (generics, _, where_clause) = consumer.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_qualifications, unused_variables, clippy::all, clippy::pedantic, clippy::nursery)]
        impl #generics #krate::__private::Consumer for #self_ty #where_clause {
            type State = #state;
            type Outgoing = #outgoing;
            #body
        }
    }
}

fn consts(consumer: &Consumer) -> TokenStream {
    let krate = Scope::of(consumer).krate;
    let names = names(consumer);
    let layout = consumer.incoming.as_ref().map(|incoming| {
        quote!(const LAYOUT: #krate::Layout = <#incoming as #krate::Incoming>::LAYOUT;)
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
    let by_ip = consumer.limits().filter(|(limit, _)| limit.is_by_ip());
    let by_ip = by_ip.map(|(_, function)| call::is_compiled(function)).collect();
    let flags = [
        flag("TAKES_TEXT", takes(Role::Text)),
        flag("TAKES_BINARY", takes(Role::Binary)),
        flag("TAKES_ERRORS", takes(Role::Error)),
        flag("LIMITS_BY_IP", by_ip),
    ];
    quote! {
        const NAMES: &'static [&'static str] = #names;
        #layout
        #(#flags)*
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

/// `#[accept]`, or `Default` where there is none.
fn accept(consumer: &Consumer, scope: &Scope) -> TokenStream {
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

/// One arm for each handler.
fn message(consumer: &Consumer, scope: &Scope) -> TokenStream {
    let Scope { krate, state, sink, cx, replies, .. } = scope;
    let incoming = consumer.incoming.as_ref();
    let arms = consumer.handlers.iter().filter_map(|handler| Some(arm(handler, incoming?, scope)));
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

fn arm(handler: &Handler, incoming: &Type, scope: &Scope) -> TokenStream {
    let Scope { krate, .. } = scope;
    let Handler { message, validate, limit, function } = handler;
    let shown = call::shown(incoming);
    let name = LitStr::new(&message.value(), Span::call_site());
    let cfgs = call::cfgs(function);
    let limit = limit::check(limit.as_ref(), scope);
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
    let call = call::and_reply(function, &names, scope);
    let found = {
        let span = message.span();
        let krate = krate.at(span);
        quote_spanned!(span=> #krate::index(<#incoming as #krate::Incoming>::NAMES, #message, #shown))
    };
    quote! {
        #cfgs
        #name => {
            type __Message = #krate::At<{ #found }>;
            #limit
            #first
            #rest
            #call
        }
    }
}

/// Any hook but `#[accept]`.
fn hook(hook: &Hook, scope: &Scope) -> TokenStream {
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
    // Its first argument is given, and made by a trait that says what it may be.
    let after_given = |kind: &str, by: &str, make: &str| {
        let Some((ty, rest)) = function.arguments.split_first() else { return (Vec::new(), TokenStream::new()) };
        let first = call::argument(0);
        let by = Ident::new(by, Span::call_site());
        let trait_ = quote!(#krate::#by);
        let made = through(ty, &trait_, make, &quote!(#given));
        let (mut names, rest) = call::extractors(rest, 1, kind, scope);
        names.insert(0, first.clone());
        (names, quote!(let #first = #made; #rest))
    };
    let (header, (names, arguments)) = match role {
        Role::Accept => return TokenStream::new(),
        Role::User => return user(hook, scope),
        Role::Connect => {
            let cx = context("OnConnect");
            (quote!(async fn connected(&mut self, #cx, #replies: #sink) -> #result), plain("OnConnect"))
        }
        Role::Disconnect => {
            let cx = context("OnDisconnect");
            (quote!(async fn disconnected(&mut self, #cx) -> #result), plain("OnDisconnect"))
        }
        Role::Text => {
            let (cx, given) = (context("OnFrame"), quote!(#given: #krate::ByteString));
            let header = quote!(async fn text(&mut self, #given, #cx, #replies: #sink) -> #result);
            (header, after_given("OnFrame", "FromText", "from_text"))
        }
        Role::Binary => {
            let (cx, given) = (context("OnFrame"), quote!(#given: #krate::Bytes));
            let header = quote!(async fn binary(&mut self, #given, #cx, #replies: #sink) -> #result);
            (header, after_given("OnFrame", "FromBinary", "from_binary"))
        }
        Role::Error => {
            let (cx, given) = (context("OnError"), quote!(#given: #krate::Error));
            let header = quote!(async fn failed(&mut self, #given, #cx, #replies: #sink) -> #result);
            (header, after_given("OnError", "ErrorArgument", "from_error"))
        }
    };
    let call = match role {
        Role::Disconnect => call::and_depart(function, &names, scope),
        _ => call::and_reply(function, &names, scope),
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
