//! Pieces of expansion: arguments, the call of a function, and what becomes of its return value.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Type};

use super::model::{Consumer, Function, Output};

/// What the written functions call by name. No name a user writes can mean one of the locals, nor the
/// other way round: their spans are the macro's.
pub(crate) struct Scope {
    /// `::channels::__private`.
    pub(crate) krate: TokenStream,
    pub(crate) state: Type,
    pub(crate) outgoing: Type,
    /// The type of `replies`.
    pub(crate) sink: TokenStream,
    pub(crate) cx: Ident,
    pub(crate) replies: Ident,
    pub(crate) parts: Ident,
    /// The state that `accept` is given.
    pub(crate) given: Ident,
}

impl Scope {
    pub(crate) fn of(consumer: &Consumer) -> Self {
        let (krate, outgoing) = (private(&consumer.krate), consumer.outgoing.clone());
        let local = |name| Ident::new(name, Span::mixed_site());
        Self {
            state: consumer.state.clone(),
            sink: quote!(&mut dyn #krate::ReplySink<#outgoing>),
            cx: local("cx"),
            replies: local("replies"),
            parts: local("parts"),
            given: local("state"),
            krate,
            outgoing,
        }
    }
}

/// Where all that is written comes from.
pub(crate) fn private(krate: &Path) -> TokenStream {
    quote!(#krate::__private)
}

/// The local that holds an argument.
pub(crate) fn argument(index: usize) -> Ident {
    Ident::new(&format!("argument_{index}"), Span::mixed_site())
}

/// The local that holds what a function returned.
pub(crate) fn returned(name: &Ident) -> Ident {
    Ident::new("returned", Span::mixed_site().located_at(name.span()))
}

/// `let argument_0 = …;` for each type.
pub(crate) fn arguments(types: &[Type], make: impl Fn(&Type) -> TokenStream) -> (Vec<Ident>, TokenStream) {
    let names: Vec<_> = (0..types.len()).map(argument).collect();
    let made = types.iter().map(make);
    let lets = quote!(#(let #names = #made;)*);
    (names, lets)
}

/// The arguments from the `skipped`th on, by `Extract`.
pub(crate) fn extractors(types: &[Type], skipped: usize, hook: &str, scope: &Scope) -> (Vec<Ident>, TokenStream) {
    let Scope { krate, state, cx, .. } = scope;
    let names: Vec<_> = (skipped..skipped + types.len()).map(argument).collect();
    let extracted = types.iter().map(|ty| {
        let hook = Ident::new(hook, ty.span());
        quote_spanned!(ty.span()=> <#ty as #krate::Extract<#state, #krate::#hook>>::extract(#cx).await?)
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
        return quote_spanned!(name.span()=> #krate::boxed(#call).await);
    }
    call
}

/// Calls, and hands what comes back to `replies`.
pub(crate) fn and_reply(function: &Function, arguments: &[Ident], scope: &Scope) -> TokenStream {
    let Scope { krate, outgoing, replies, .. } = scope;
    let (called, returned) = (call(function, arguments, scope), returned(&function.name));
    let reply = match output(&function.output, function.name.span()) {
        Some(ty) => quote_spanned!(ty.span()=> <#ty as #krate::Reply<#outgoing>>::reply(#returned, #replies)),
        None => quote_spanned!(function.output_span()=> #krate::Reply::<#outgoing>::reply(#returned, #replies)),
    };
    quote!(let #returned = #called; #reply)
}

/// Calls, where nobody is left to be answered.
pub(crate) fn and_depart(function: &Function, arguments: &[Ident], scope: &Scope) -> TokenStream {
    let krate = &scope.krate;
    let (called, returned) = (call(function, arguments, scope), returned(&function.name));
    let departed = match output(&function.output, function.name.span()) {
        Some(ty) => quote_spanned!(ty.span()=> <#ty as #krate::Departed>::departed(#returned)),
        None => quote_spanned!(function.output_span()=> #krate::Departed::departed(#returned)),
    };
    quote!(let #returned = #called; #departed)
}

/// The type that is returned, where it can be named.
pub(crate) fn output(output: &Output, span: Span) -> Option<Type> {
    match output {
        Output::Unit => Some(Type::Tuple(syn::TypeTuple {
            attrs: Vec::new(),
            paren_token: syn::token::Paren(span),
            elems: syn::punctuated::Punctuated::new(),
        })),
        Output::Named(ty) => Some(ty.clone()),
        Output::Opaque(_) => None,
    }
}

/// `#[cfg(…)]` of a function, for what is written for it.
pub(crate) fn cfgs(function: &Function) -> TokenStream {
    let cfgs = &function.cfgs;
    quote!(#(#[cfg(#cfgs)])*)
}

/// Whether a function is compiled, as an expression.
pub(crate) fn is_compiled(function: &Function, krate: &TokenStream) -> TokenStream {
    match &function.cfgs[..] {
        [] => quote!(true),
        cfgs => quote!(#krate::cfg!(all(#(#cfgs),*))),
    }
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
