//! stub
use proc_macro::TokenStream;
macro_rules! stub { ($($n:ident)*) => {$( /// stub
#[proc_macro_attribute] pub fn $n(_: TokenStream, i: TokenStream) -> TokenStream { i } )*} }
stub!(accept connect consumer disconnect error on on_binary on_text rate_limit user validate);
/// stub
#[proc_macro_derive(Incoming)] pub fn incoming(_: TokenStream) -> TokenStream { TokenStream::new() }
/// stub
#[proc_macro_derive(Outgoing)] pub fn outgoing(_: TokenStream) -> TokenStream { TokenStream::new() }
