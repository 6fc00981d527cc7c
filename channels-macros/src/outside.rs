//! The helper attributes where no `#[consumer]` has taken them off.

use proc_macro2::{Span, TokenStream};
use quote::quote;

/// The item as it was, and where its attribute belongs.
pub(crate) fn outside(name: &str, item: TokenStream) -> TokenStream {
    let words = format!("`#[{name}]` may only be used inside a `#[consumer]` impl block");
    // At the attribute, but as if the user had written it: "originates in a macro" helps nobody.
    let user = item.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span());
    let error = syn::Error::new(Span::call_site().resolved_at(user), words).into_compile_error();
    quote!(#error #item)
}
