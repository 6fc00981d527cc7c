//! `#[validate]`: garde's rules, and every broken one in the error.

use crate::error::{Error, ErrorCode};

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
    let mut words = String::new();
    for (path, problem) in report.iter() {
        let separator = if words.is_empty() { "" } else { "; " };
        words.push_str(&format!("{separator}{path}: {problem}"));
    }
    report.iter().fold(Error::new(ErrorCode::ValidationFailed, words), |error, (path, problem)| {
        error.with_detail(path.to_string(), problem.to_string())
    })
}
