//! `#[consumer]`.

mod check;
mod duration;
mod expand;
mod helper;
mod idempotent;
mod model;
mod options;
mod parse;
mod rate_limit;
mod running;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};

use self::helper::Helpers;
use self::options::Options;
use self::parse::Block;
use crate::errors::Errors;

/// The block as it was, without the helper attributes; then the impl, or what is wrong and an impl
/// that stands in for it.
pub(crate) fn consumer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let options = Options::parse(arguments, &mut errors);
    let helpers = Helpers::of(options.krate.clone());
    let parse = |input: ParseStream<'_>| {
        if Block::starts(input) {
            return Block::parse(input, &helpers);
        }
        input.parse::<TokenStream>()?;
        Err(syn::Error::new_spanned(what(&item), "`#[consumer]` goes on an impl block: `impl Chat { … }`"))
    };
    let block = match parse.parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            errors.push(error);
            let errors = errors.finish().map(syn::Error::into_compile_error);
            return quote!(#item #errors);
        }
    };
    let consumer = check::check(&block, &options, &mut errors);
    let (errors, written) = match errors.finish() {
        None => (None, Some(expand::expand(&consumer))),
        Some(errors) => (Some(errors.into_compile_error()), expand::stand_in(&consumer)),
    };
    let block = block.into_token_stream();
    quote!(#block #errors #written)
}

/// The keyword that tells what an item is, to point at.
fn what(item: &TokenStream) -> TokenStream {
    let is_keyword = |token: &proc_macro2::TokenTree| {
        let known = ["struct", "enum", "union", "fn", "mod", "trait", "type", "const", "static", "use", "extern"];
        matches!(token, proc_macro2::TokenTree::Ident(ident) if known.contains(&ident.to_string().as_str()))
    };
    item.clone().into_iter().find(is_keyword).map_or_else(|| item.clone(), |token| token.into())
}
