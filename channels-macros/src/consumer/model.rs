//! A consumer, checked: what expansion writes down without a further question.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{Generics, Ident, LitStr, Path, Receiver, Type};

use super::idempotent::Idempotent;
use super::rate_limit::Limit;
use super::running::{Overlap, Running};
use crate::outbox::Policy;

/// All there is to know of a consumer.
pub(crate) struct Consumer {
    pub(crate) krate: Path,
    pub(crate) generics: Generics,
    pub(crate) self_ty: Type,
    pub(crate) incoming: Option<Type>,
    pub(crate) outgoing: Type,
    pub(crate) state: Type,
    pub(crate) outbox: Option<Policy>,
    /// How long it waits for a client's first frame.
    pub(crate) first_frame: Option<Duration>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) hooks: Vec<Hook>,
    /// Its type could not be a consumer at all, and rustc would say so at length.
    pub(crate) is_impossible: bool,
}

/// What `#[on("…")]` stands on.
pub(crate) struct Handler {
    pub(crate) message: LitStr,
    pub(crate) validate: bool,
    pub(crate) limit: Option<Limit>,
    pub(crate) idempotent: Option<Idempotent>,
    pub(crate) running: Running,
    pub(crate) function: Function,
}

/// What one of the other roles stands on.
pub(crate) struct Hook {
    pub(crate) role: Role,
    /// Where the role is given.
    pub(crate) span: Span,
    pub(crate) limit: Option<Limit>,
    pub(crate) running: Running,
    pub(crate) function: Function,
}

/// A function of the block, with what is needed to call it.
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) is_async: bool,
    pub(crate) has_self: bool,
    /// `&mut self`, where it takes that.
    pub(crate) exclusive: Option<Receiver>,
    /// Their types, without `self`.
    pub(crate) arguments: Vec<Type>,
    pub(crate) output: Output,
    /// The conditions it stands under: the insides of its `#[cfg(…)]`.
    pub(crate) cfgs: Vec<TokenStream>,
}

impl Function {
    /// Whether it is done when it is called: no `async fn`, and no limit that somebody else may have to be asked for.
    pub(crate) fn is_ready(&self, limit: Option<&Limit>) -> bool {
        !self.is_async && limit.is_none()
    }
}

/// What a function returns.
pub(crate) enum Output {
    /// Nothing is written.
    Unit,
    Named(Type),
    /// There is an `impl Trait` in it, which only a function's signature may name.
    Opaque(Type),
}

/// What a function is called for, besides messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Accept,
    User,
    Authorize,
    Connect,
    Text,
    Binary,
    Disconnect,
    Error,
}

impl Role {
    /// Its attribute.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::User => "user",
            Self::Authorize => "authorize",
            Self::Connect => "connect",
            Self::Text => "on_text",
            Self::Binary => "on_binary",
            Self::Disconnect => "disconnect",
            Self::Error => "error",
        }
    }
}

impl Consumer {
    pub(crate) fn hooks(&self, role: Role) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.role == role)
    }

    /// The handlers that may overlap, and how.
    pub(crate) fn overlapping(&self) -> impl Iterator<Item = (&Handler, &Overlap)> {
        self.handlers.iter().filter_map(|handler| Some((handler, handler.running.overlap.as_ref()?)))
    }

    /// All limits, with the functions they stand on.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&Limit, &Function)> {
        let handlers = self.handlers.iter().map(|handler| (&handler.limit, &handler.function));
        let hooks = self.hooks.iter().map(|hook| (&hook.limit, &hook.function));
        handlers.chain(hooks).filter_map(|(limit, function)| Some((limit.as_ref()?, function)))
    }
}
