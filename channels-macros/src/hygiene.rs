//! Locals that no name of a user's can mean.

use proc_macro2::{Ident, Span};

/// A local of the written code. Hygiene keeps a user's locals apart; the underscores a constant of the
/// same name, which would turn a binding into a comparison.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}
