//! What the macros write, seen from a user's crate.
#![deny(warnings, missing_docs, unused, unreachable_pub, rust_2018_idioms, clippy::all, clippy::pedantic)]
// The consumers here are like a user's, who writes no `# Errors` on them.
#![allow(clippy::unused_async, clippy::unused_self, clippy::unnecessary_wraps, clippy::needless_pass_by_value)]

mod calls;
mod chat;
mod envelopes;
mod hostile;
mod no_prelude;
mod renamed;
mod shapes;

use channels::Consumer;

/// What a consumer takes beside messages.
#[derive(Debug, PartialEq)]
enum Takes {
    Text,
    Binary,
    Errors,
    Addresses,
}

fn takes<C: Consumer>() -> Vec<Takes> {
    let all = [
        (C::TAKES_TEXT, Takes::Text),
        (C::TAKES_BINARY, Takes::Binary),
        (C::TAKES_ERRORS, Takes::Errors),
        (C::LIMITS_BY_IP, Takes::Addresses),
    ];
    all.into_iter().filter_map(|(is_taken, what)| is_taken.then_some(what)).collect()
}
