//! The macros of axum-channels.
#![recursion_limit = "256"]

mod consumer;
mod errors;
mod hygiene;
mod messages;
mod names;
mod outside;
mod private;
mod settings;

use proc_macro::TokenStream;

/// stub
#[proc_macro_attribute]
pub fn consumer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    consumer::consumer(arguments.into(), item.into()).into()
}

/// stub
#[proc_macro_derive(Incoming, attributes(channels))]
pub fn incoming(input: TokenStream) -> TokenStream {
    messages::incoming(input.into()).into()
}

/// stub
#[proc_macro_derive(Outgoing, attributes(channels))]
pub fn outgoing(input: TokenStream) -> TokenStream {
    messages::outgoing(input.into()).into()
}

macro_rules! stub { ($($n:ident)*) => {$( /// stub
#[proc_macro_attribute] pub fn $n(_: TokenStream, i: TokenStream) -> TokenStream { outside::outside(stringify!($n), i.into()).into() } )*} }
stub!(accept connect disconnect error on on_binary on_text rate_limit user validate);
