//! `#[validate]`: garde's rules, and every broken one in the error.

use std::fmt::Write as _;

use crate::error::{Error, ErrorCode, MAX_ERROR_MESSAGE_BYTES, Shown};

/// A payload whose rules `#[validate]` can check: one with `#[derive(garde::Validate)]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be validated",
    label = "needs `#[derive(garde::Validate)]` with a context that has a `Default`"
)]
pub trait Validatable {
    fn check(&self) -> Result<(), Error>;
}

#[diagnostic::do_not_recommend]
impl<T: garde::Validate> Validatable for T
where
    T::Context: Default,
{
    fn check(&self) -> Result<(), Error> {
        self.validate().map_err(|report| invalid(&report))
    }
}

fn invalid(report: &garde::Report) -> Error {
    let mut words = Shown::new(MAX_ERROR_MESSAGE_BYTES);
    let mut separator = "";
    for (path, problem) in report.iter() {
        // As much as there is room for: a list may have a hundred thousand elements, and a rule be broken by each.
        if write!(words, "{separator}{path}: {problem}").is_err() {
            break;
        }
        separator = "; ";
    }
    let error = Error::new(ErrorCode::ValidationFailed, words.finish());
    report.iter().fold(error, |error, (path, problem)| error.with_detail_of(path, problem))
}
