//! What is written for the main shapes, as a reader would see it.
//!
//! After a change, `UPDATE_EXPECT=1 cargo test -p axum-channels-macros` writes them anew.

mod consumer;
mod messages;

use expect_test::Expect;

/// Compares what is written after the user's item. The attributes of the impls are left out, and the
/// library is called `c`, so that lines are short.
fn check(tokens: proc_macro2::TokenStream, skipped: usize, expected: Expect) {
    let mut file: syn::File = syn::parse2(tokens).unwrap();
    file.items.drain(..skipped);
    for item in &mut file.items {
        if let syn::Item::Impl(item) = item {
            item.attrs.clear();
        }
    }
    expected.assert_eq(&prettyplease::unparse(&file));
}
