//! `#[derive(Incoming)]` and `#[derive(Outgoing)]`.

mod attributes;
mod incoming;
mod model;
mod outbox;
mod outgoing;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use self::model::Messages;
use crate::errors::Errors;
use crate::names::Direction;

/// `#[derive(Incoming)]`.
pub(crate) fn incoming(input: TokenStream) -> TokenStream {
    derive(input, Direction::Incoming, incoming::expand, incoming::stand_in)
}

/// `#[derive(Outgoing)]`.
pub(crate) fn outgoing(input: TokenStream) -> TokenStream {
    derive(input, Direction::Outgoing, outgoing::expand, outgoing::stand_in)
}

fn derive(
    input: TokenStream,
    direction: Direction,
    expand: fn(&Messages) -> TokenStream,
    stand_in: fn(&Messages) -> TokenStream,
) -> TokenStream {
    let mut errors = Errors::new();
    let messages = parse::messages(input, direction, &mut errors);
    match (messages, errors.finish().map(syn::Error::into_compile_error)) {
        (Some(messages), None) => expand(&messages),
        (Some(messages), Some(errors)) => {
            let stand_in = stand_in(&messages);
            quote!(#errors #stand_in)
        }
        (None, errors) => quote!(#errors),
    }
}
