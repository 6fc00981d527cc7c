//! Each mistake, and the words for it: `compile_fail/<topic>/<mistake>.rs` has one, and what the
//! compiler says of it beside it.
//!
//! After a change of words, `TRYBUILD=overwrite cargo test -p channels-tests --test compile_fail`
//! writes them anew. Read them as who has made the mistake: the first line says what it is, and the
//! caret stands where it is.

#[test]
fn each_mistake_is_explained_where_it_is() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*/*.rs");
}
