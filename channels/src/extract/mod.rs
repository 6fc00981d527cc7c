//! What handlers may ask for: extractors, as in axum, but for a message instead of a request.

mod answer;
mod bearer;
mod context;

use std::future::{Future, Ready, ready};

use axum::extract::{FromRef, State};

pub use answer::Answer;
pub use bearer::BearerProtocol;
pub use context::{Context, Hook, OnConnect, OnDisconnect, OnError, OnFrame, OnJoin, OnMessage};

use crate::close::CloseReason;
use crate::connection::Connection;
use crate::error::{Error, ErrorCode};
use crate::id::{ConnectionId, UserId};
use crate::layer::ChannelLayer;
use crate::message::{Broken, Carried, Message, NotCarried, Nothing, Priority, RequestId};

/// An argument of a handler or hook.
///
/// `S` is the consumer's state, `H` the kind of hook: [`OnMessage`] for `#[on("…")]`, [`OnFrame`] for
/// `#[on_text]` and `#[on_binary]`, [`OnConnect`], [`OnJoin`] for `#[authorize]`, [`OnDisconnect`], [`OnError`]. An extractor that
/// needs no message is written for every `H`:
///
/// ```
/// use channels::prelude::*;
/// use channels::extract::Hook;
///
/// struct Locale(String);
///
/// impl<S: Send + Sync, H: Hook> Extract<S, H> for Locale {
///     async fn extract(cx: &Context<'_, S, H>) -> Result<Self, channels::Error> {
///         let locale = cx.connection().metadata("locale");
///         Ok(Self(locale.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or("en".into())))
///     }
/// }
/// ```
///
/// # Errors
///
/// What it returns is answered as if the handler had failed with it; the handler is not called.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument here",
    label = "not an extractor of this hook",
    note = "arguments are extractors, after the payload of an `#[on(\"…\")]`: `Connection`, `ChannelLayer`, `State<T>`, `UserId`, `ConnectionId`, in `#[on]` also `Message`, in `#[disconnect]` `CloseReason`, or your own by `impl Extract`",
    note = "parts of the request (`Path`, `Query`, headers) are for `#[accept]`, which keeps what it needs in `Self`"
)]
pub trait Extract<S, H: Hook = OnMessage>: Sized + Send {
    /// Takes it out of the context.
    ///
    /// # Cancel safety
    ///
    /// Where one of the extractors of a handler that is no `async fn` waits, all of them are called a second time: the
    /// first time, the one that waits is dropped where it does. What must happen once belongs into the handler.
    fn extract(cx: &Context<'_, S, H>) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl<S: Send + Sync, H: Hook> Extract<S, H> for Connection {
    async fn extract(cx: &Context<'_, S, H>) -> Result<Self, Error> {
        Ok(cx.connection().clone())
    }
}

impl<S: Send + Sync, H: Hook> Extract<S, H> for ConnectionId {
    async fn extract(cx: &Context<'_, S, H>) -> Result<Self, Error> {
        Ok(cx.connection().id())
    }
}

impl<S: Send + Sync, H: Hook> Extract<S, H> for ChannelLayer {
    async fn extract(cx: &Context<'_, S, H>) -> Result<Self, Error> {
        Ok(cx.layer().clone())
    }
}

/// Refuses an anonymous connection with `AUTHENTICATION_FAILED`, which closes it; `Option<UserId>` does not.
impl<S: Send + Sync, H: Hook> Extract<S, H> for UserId {
    async fn extract(cx: &Context<'_, S, H>) -> Result<Self, Error> {
        let user = cx.connection().user().cloned();
        user.ok_or_else(|| Error::new(ErrorCode::AuthenticationFailed, "Please sign in first."))
    }
}

impl<S: Send + Sync, H: Hook> Extract<S, H> for Option<UserId> {
    async fn extract(cx: &Context<'_, S, H>) -> Result<Self, Error> {
        Ok(cx.connection().user().cloned())
    }
}

impl<S: Send + Sync, H: Hook, T: FromState<S>> Extract<S, H> for State<T> {
    // No `async fn`: where there is no such state, its future would be found wrong as well, in other words.
    #[allow(refining_impl_trait)]
    fn extract(cx: &Context<'_, S, H>) -> Ready<Result<Self, Error>> {
        ready(Ok(Self(T::from_state(cx.state()))))
    }
}

/// `FromRef`, with words for what is not.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "there is no `{Self}` in a consumer's `state = {S}`",
    label = "where `#[consumer]` has no `state = …`, add it; otherwise `{S}` needs `#[derive(FromRef)]`, or `{Self}` an `impl FromRef<{S}>`",
    note = "`state = …` names the type of the router's state; without it there is `NoState`, which has nothing to take"
)]
pub trait FromState<S>: Send {
    /// A part of the state.
    fn from_state(state: &S) -> Self;
}

#[diagnostic::do_not_recommend]
impl<S, T: FromRef<S> + Send> FromState<S> for T {
    fn from_state(state: &S) -> Self {
        T::from_ref(state)
    }
}

/// The whole message, for its `metadata`, `priority` or raw `data`.
impl<S: Send + Sync> Extract<S, OnMessage> for Message {
    async fn extract(cx: &Context<'_, S>) -> Result<Self, Error> {
        Ok(cx.message().clone())
    }
}

impl<S: Send + Sync> Extract<S, OnMessage> for Priority {
    async fn extract(cx: &Context<'_, S>) -> Result<Self, Error> {
        Ok(cx.message().priority())
    }
}

impl<S: Send + Sync> Extract<S, OnMessage> for Option<RequestId> {
    async fn extract(cx: &Context<'_, S>) -> Result<Self, Error> {
        Ok(cx.message().id().cloned())
    }
}

/// Why the connection ended; in `#[disconnect]` only.
impl<S: Send + Sync> Extract<S, OnDisconnect> for CloseReason {
    async fn extract(cx: &Context<'_, S, OnDisconnect>) -> Result<Self, Error> {
        Ok(cx.close_reason().clone())
    }
}

/// The first argument of an `#[on("…")]` handler: the payload `P` where the message has one, an
/// extractor where it has none. `K` is the message's kind, so rustc decides, not the macro.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this message carries `{P}`, and its handler takes `{Self}`",
    label = "not `{P}`",
    note = "the payload comes first, extractors follow; where a message carries `Nothing`, all arguments are extractors"
)]
pub trait FirstArgument<P, K, S>: Sized {
    fn take(
        cx: &Context<'_, S>,
        read: fn(&Message) -> Result<P, Error>,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl<P, S: Sync> FirstArgument<P, Carried, S> for P {
    async fn take(cx: &Context<'_, S>, read: fn(&Message) -> Result<P, Error>) -> Result<Self, Error> {
        read(cx.message())
    }
}

#[diagnostic::do_not_recommend]
impl<S: Sync, T: Extract<S>> FirstArgument<Nothing, NotCarried, S> for T {
    async fn take(cx: &Context<'_, S>, _: fn(&Message) -> Result<Nothing, Error>) -> Result<Self, Error> {
        T::extract(cx).await
    }
}

#[diagnostic::do_not_recommend]
impl<S: Sync, T> FirstArgument<Nothing, Broken, S> for T {
    async fn take(_: &Context<'_, S>, read: fn(&Message) -> Result<Nothing, Error>) -> Result<Self, Error> {
        // Where there is such a kind, there is a compile error.
        let _ = read;
        std::future::pending().await
    }
}

/// A handler without arguments is for a message that carries [`Nothing`].
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this message carries `{Self}`, and its handler does not take it",
    label = "needs an argument of the type `{Self}` after `self`"
)]
pub trait NoArguments {
    const NONE: () = ();
}

impl NoArguments for Nothing {}
