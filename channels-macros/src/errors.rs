//! The one sink for what is wrong: everything is reported at once, each mistake on its own token.

use quote::ToTokens;

/// Collects errors. It must be [finished](Errors::finish): what is dropped would be silence.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Errors {
    all: Option<syn::Error>,
    finished: bool,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reports a mistake on these tokens, from the first to the last.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, words: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, words));
    }

    /// Reports a mistake that syn, or a part of this crate, has found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.all {
            Some(all) => all.combine(error),
            None => self.all = Some(error),
        }
    }

    /// Whether nothing has been found yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_none()
    }

    /// The value, or its error reported.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// All that was found, if anything.
    pub(crate) fn finish(mut self) -> Option<syn::Error> {
        self.finished = true;
        self.all.take()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        // Only a mistake in this crate gets here; within a panic another would abort.
        if !self.finished && !std::thread::panicking() {
            panic!("errors were collected and not reported");
        }
    }
}
