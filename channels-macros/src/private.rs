//! `::channels::__private`, where all that is written comes from.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Path, Type};

/// The path, or what `crate = …` makes of it.
#[derive(Clone)]
pub(crate) struct Private(TokenStream);

impl Private {
    pub(crate) fn of(krate: &Path) -> Self {
        Self(quote!(#krate::__private))
    }

    /// The path under a span of a user's: what rustc has against the call is then said there.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        spanned(self.0.clone(), span)
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// The same tokens, all under one span.
pub(crate) fn spanned(tokens: TokenStream, span: Span) -> TokenStream {
    let respan = |mut token: proc_macro2::TokenTree| {
        token.set_span(span);
        token
    };
    tokens.into_iter().map(respan).collect()
}

/// Where tokens begin and end. An expression whose first token has the one span and whose last the
/// other is underlined as the tokens are; stable Rust has no other way to join spans.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// `<Type as Trait>::method(arguments)`, underlined as the type is.
pub(crate) fn through(ty: &Type, trait_: &TokenStream, method: &str, arguments: &TokenStream) -> TokenStream {
    let (first, last) = ends(ty);
    let method = Ident::new(method, last);
    let (head, tail) = (quote_spanned!(first=> <#ty as #trait_>), quote_spanned!(last=> ::#method(#arguments)));
    quote!(#head #tail)
}
