//! The helper attributes where no `#[consumer]` has taken them off.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

/// The item as it was, and where its attribute belongs.
pub(crate) fn outside(name: &str, item: TokenStream) -> TokenStream {
    let words = format!("`#[{name}]` may only be used inside a `#[consumer]` impl block");
    let (span, macro_) = (Span::call_site(), Ident::new("compile_error", Span::call_site()));
    // In an impl block or a trait, in a module, before a statement: an item macro stands anywhere.
    let error = quote_spanned!(span=> ::core::#macro_! { #words });
    quote!(#error #item)
}
