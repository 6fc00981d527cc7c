//! Pieces of expansion: arguments, the call of a function, and what becomes of its return value.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{Type, TypeTuple};

use crate::consumer::model::{Consumer, Function, Output, Role};
use crate::hygiene::local;
use crate::private::{Private, ends, through};

/// What the written functions call by name. No name a user writes can mean one of the locals, nor the
/// other way round: their spans are the macro's.
pub(crate) struct Scope {
    pub(crate) krate: Private,
    pub(crate) state: Type,
    pub(crate) outgoing: Type,
    /// The type of `replies`.
    pub(crate) sink: TokenStream,
    pub(crate) cx: Ident,
    pub(crate) replies: Ident,
    pub(crate) parts: Ident,
    /// The state that `accept` is given.
    pub(crate) given: Ident,
    /// What the consumer is called by, in all builds of it: its type, as it is written.
    pub(crate) itself: String,
    /// Whether an `#[on_text]` takes every text frame, so that there are no messages.
    pub(crate) takes_text: bool,
    /// Whether it has an `#[error]`.
    pub(crate) takes_errors: TokenStream,
}

impl Scope {
    pub(crate) fn of(consumer: &Consumer) -> Self {
        let (krate, outgoing) = (Private::of(&consumer.krate), consumer.outgoing.clone());
        Self {
            state: consumer.state.clone(),
            sink: quote!(&mut dyn #krate::ReplySink<#outgoing>),
            cx: local("cx"),
            replies: local("replies"),
            parts: local("parts"),
            given: local("state"),
            // Without the white space, which is no part of it.
            itself: consumer.self_ty.to_token_stream().to_string().split_whitespace().collect(),
            takes_text: consumer.hooks(Role::Text).next().is_some(),
            takes_errors: any(consumer.hooks(Role::Error).map(|hook| is_compiled(&hook.function))),
            krate,
            outgoing,
        }
    }
}

/// `.await?` at the end of a type.
fn awaited(ty: &Type) -> TokenStream {
    let (_, last) = ends(ty);
    quote_spanned!(last=> .await?)
}

/// The local that holds an argument.
pub(crate) fn argument(index: usize) -> Ident {
    local(&format!("argument_{index}"))
}

/// The arguments of `#[accept]`.
pub(crate) fn accept_arguments(types: &[Type], scope: &Scope) -> (Vec<Ident>, TokenStream) {
    let Scope { krate, state, parts, given, .. } = scope;
    let names: Vec<_> = (0..types.len()).map(argument).collect();
    let extracted = types.iter().map(|ty| {
        let trait_ = quote!(#krate::AcceptArgument<#state>);
        let (extract, awaited) = (through(ty, &trait_, "extract", &quote!(#parts, #given)), awaited(ty));
        quote!(#extract #awaited)
    });
    let lets = quote!(#(let #names = #extracted;)*);
    (names, lets)
}

/// The first argument of `#[on("…")]`: the payload, or an extractor where there is none.
pub(crate) fn first_argument(ty: &Type, message: impl Fn(&str) -> TokenStream, scope: &Scope) -> TokenStream {
    let Scope { krate, state, cx, .. } = scope;
    let [payload, kind, read] = ["Payload", "Kind", "read"].map(message);
    let trait_ = quote!(#krate::FirstArgument<#payload, #kind, #state>);
    let (take, awaited) = (through(ty, &trait_, "take", &quote!(#cx, #read)), awaited(ty));
    quote!(#take #awaited)
}

/// The arguments from the `skipped`th on, by `Extract`.
pub(crate) fn extractors(types: &[Type], skipped: usize, hook: &str, scope: &Scope) -> (Vec<Ident>, TokenStream) {
    let Scope { krate, state, cx, .. } = scope;
    let names: Vec<_> = (skipped..skipped + types.len()).map(argument).collect();
    let extracted = types.iter().map(|ty| {
        let hook = Ident::new(hook, Span::call_site());
        let trait_ = quote!(#krate::Extract<#state, #krate::#hook>);
        let (extract, awaited) = (through(ty, &trait_, "extract", &quote!(#cx)), awaited(ty));
        quote!(#extract #awaited)
    });
    let lets = quote!(#(let #names = #extracted;)*);
    (names, lets)
}

/// The function, called and awaited. What is wrong with its future is said at its name.
pub(crate) fn call(function: &Function, arguments: &[Ident], scope: &Scope) -> TokenStream {
    let (name, krate) = (&function.name, &scope.krate);
    let receiver = function.has_self.then(|| quote!(self,));
    let call = quote_spanned!(name.span()=> Self::#name(#receiver #(#arguments),*));
    if function.is_async {
        let krate = krate.at(name.span());
        return quote_spanned!(name.span()=> #krate::sendable(#call).await);
    }
    call
}

/// Calls, and hands what comes back to `replies`: of a role, or of a message's handler.
pub(crate) fn and_reply(function: &Function, arguments: &[Ident], role: Option<Role>, scope: &Scope) -> TokenStream {
    let Scope { krate, outgoing, replies, takes_text, .. } = scope;
    let as_frames = match role {
        None => false,
        Some(Role::Text | Role::Binary) => true,
        Some(_) => *takes_text,
    };
    let kind = as_frames.then(|| quote!(, #krate::AsFrames));
    let trait_ = quote!(#krate::Reply<#outgoing #kind>);
    call_and(function, arguments, scope, &trait_, "reply", |returned| quote!(#returned, #replies))
}

/// Calls, where nobody is left to be answered.
pub(crate) fn and_depart(function: &Function, arguments: &[Ident], scope: &Scope) -> TokenStream {
    let krate = &scope.krate;
    let trait_ = quote!(#krate::Departed);
    call_and(function, arguments, scope, &trait_, "departed", |returned| quote!(#returned))
}

/// Calls, and gives what is returned to a method of a trait; that it has none is said at the type.
pub(crate) fn call_and(
    function: &Function,
    arguments: &[Ident],
    scope: &Scope,
    trait_: &TokenStream,
    method: &str,
    given: impl Fn(&Ident) -> TokenStream,
) -> TokenStream {
    let (called, returned) = (call(function, arguments, scope), local("returned"));
    let given = given(&returned);
    let handed = match &function.output {
        Output::Unit => through(&Type::Tuple(unit(function.name.span())), trait_, method, &given),
        Output::Named(ty) => through(ty, trait_, method, &given),
        // The trait's method is called under the span of the `impl …`, its type left to inference.
        Output::Opaque(ty) => {
            let (first, last) = ends(ty);
            let method = Ident::new(method, last);
            let (head, tail) = (quote_spanned!(first=> <_ as #trait_>), quote_spanned!(last=> ::#method(#given)));
            quote!(#head #tail)
        }
    };
    quote!(let #returned = #called; #handed)
}

fn unit(span: Span) -> TypeTuple {
    TypeTuple { attrs: Vec::new(), paren_token: syn::token::Paren(span), elems: Punctuated::new() }
}

/// `#[cfg(…)]` of a function, for what is written for it.
pub(crate) fn cfgs(function: &Function) -> TokenStream {
    let cfgs = &function.cfgs;
    quote!(#(#[cfg(#cfgs)])*)
}

/// Whether a function is compiled, as an expression.
pub(crate) fn is_compiled(function: &Function) -> TokenStream {
    match &function.cfgs[..] {
        [] => quote!(true),
        cfgs => quote!(::core::cfg!(all(#(#cfgs),*))),
    }
}

/// Whether one of the conditions holds.
pub(crate) fn any(conditions: impl Iterator<Item = TokenStream>) -> TokenStream {
    conditions.reduce(|one, other| quote!(#one || #other)).unwrap_or_else(|| quote!(false))
}

/// The condition that none of the functions is compiled; `None` where one always is.
pub(crate) fn none_of<'a>(functions: impl Iterator<Item = &'a Function>) -> Option<TokenStream> {
    let mut conditions = Vec::new();
    for function in functions {
        match &function.cfgs[..] {
            [] => return None,
            cfgs => conditions.push(quote!(all(#(#cfgs),*))),
        }
    }
    Some(if conditions.is_empty() { TokenStream::new() } else { quote!(#[cfg(not(any(#(#conditions),*)))]) })
}

/// A type, as words call it.
pub(crate) fn shown(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
        other => other.to_token_stream().to_string(),
    }
}
