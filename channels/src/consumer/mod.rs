//! Consumers: what `#[consumer]` makes of an impl block, and the session that runs one.

mod answer;
mod beside;
mod gate;
mod guard;
mod handle;
mod handling;
mod hooks;
mod inbox;
mod kept;
mod metered;
mod once;
mod overlap;
mod overlapping;
mod reading;
mod session;
mod slots;
mod telling;

use std::future::Future;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use bytestring::ByteString;
pub(crate) use gate::Asks;
#[doc(hidden)]
pub use guard::Timeout;
pub(crate) use guard::dismiss;
#[doc(hidden)]
pub use hooks::{
    AcceptArgument, Accepted, AcceptsByDefault, Departed, ErrorArgument, FromBinary, FromText, GroupArgument, IntoUser,
};
pub(crate) use inbox::{Progress, Received, Source};
#[doc(hidden)]
pub use once::Idempotent;
#[doc(hidden)]
pub use overlap::{Order, Overlap, Overlapping, not_overlapping};
pub(crate) use session::Session;

use crate::close::CloseReason;
use crate::error::{Error, ErrorCode, MAX_SHOWN_TYPE_CHARS};
use crate::extract::{Context, OnConnect, OnDisconnect, OnError, OnFrame, OnJoin};
use crate::id::UserId;
use crate::message::{Layout, Message, OutboxPolicy, Outgoing, ReplySink};

/// The state of a consumer that asks for none; every router can give it.
///
/// Not `Clone`, so that it can be taken from any state.
#[derive(Debug, Default)]
pub struct NoState;

impl<S> FromRef<S> for NoState {
    fn from_ref(_: &S) -> Self {
        Self
    }
}

/// What runs one connection: written by `#[consumer]`, not by hand. One value lives as long as one
/// connection; its hooks run one after the other, but for handlers with `concurrency`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a consumer",
    label = "needs a `#[consumer(incoming = …)]` impl block"
)]
pub trait Consumer: Sized + Send + 'static {
    /// What `State<T>` arguments are taken from.
    type State: Send + Sync + 'static;
    /// What its replies are.
    type Outgoing: Outgoing;

    /// The names it handles.
    #[doc(hidden)]
    const NAMES: &'static [&'static str];
    /// The envelope.
    #[doc(hidden)]
    const LAYOUT: Layout = Layout::DEFAULT;
    /// What happens where a client is too slow.
    #[doc(hidden)]
    const OUTBOX: OutboxPolicy = OutboxPolicy::Close;
    /// Text frames go to [`Consumer::text`] instead of being read as envelopes.
    #[doc(hidden)]
    const TAKES_TEXT: bool = false;
    /// Binary frames go to [`Consumer::binary`].
    #[doc(hidden)]
    const TAKES_BINARY: bool = false;
    /// [`Consumer::failed`] answers errors.
    #[doc(hidden)]
    const TAKES_ERRORS: bool = false;
    /// [`Consumer::authorize`] is asked for each join.
    #[doc(hidden)]
    const AUTHORIZES: bool = false;
    /// [`Consumer::text`] does not wait, unless an extractor does.
    #[doc(hidden)]
    const TEXT_IS_READY: bool = false;
    /// [`Consumer::binary`] does not wait, unless an extractor does.
    #[doc(hidden)]
    const BINARY_IS_READY: bool = false;
    /// How long [`Consumer::text`] may take, where it says so itself.
    #[doc(hidden)]
    const TEXT_TIMEOUT: Option<Timeout> = None;
    /// How long [`Consumer::binary`] may take, where it says so itself.
    #[doc(hidden)]
    const BINARY_TIMEOUT: Option<Timeout> = None;
    /// Some of its handlers may run beside others: [`Consumer::overlap`] says which.
    #[doc(hidden)]
    const OVERLAPS: bool = false;
    /// How long a client may take to send its first data frame.
    #[doc(hidden)]
    const FIRST_FRAME: Option<Duration> = None;
    /// A limit counts by address, which needs the server's connect info.
    #[doc(hidden)]
    const LIMITS_BY_IP: bool = false;

    /// Before the upgrade.
    #[doc(hidden)]
    fn accept(parts: &mut Parts, state: &Self::State) -> impl Future<Output = Result<Self, Response>> + Send;

    /// Whose connection it is.
    #[doc(hidden)]
    fn user(&self) -> Option<UserId> {
        None
    }

    /// Whether a connection may join a group. Without `self`, as it is asked from everywhere.
    #[doc(hidden)]
    fn authorize(cx: &Context<'_, Self::State, OnJoin>) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// [`Consumer::message`] does not wait for a message of this name, unless an extractor does: its handler is no
    /// `async fn`, and has no limit.
    #[doc(hidden)]
    fn is_ready(name: &str) -> bool {
        let _ = name;
        false
    }

    /// How long the handler of a message may take, where it says so itself.
    #[doc(hidden)]
    fn timeout(name: &str) -> Option<Timeout> {
        let _ = name;
        None
    }

    /// How a message's handler runs beside others, where it may.
    #[doc(hidden)]
    fn overlap(message: &Message) -> Option<Overlap> {
        let _ = message;
        None
    }

    /// Itself, as the handlers share it that run beside each other.
    #[doc(hidden)]
    fn shared(&self) -> Option<&dyn Overlapping<Self::State, Self::Outgoing>> {
        None
    }

    /// After the upgrade.
    #[doc(hidden)]
    fn connected(
        &mut self,
        cx: &Context<'_, Self::State, OnConnect>,
        replies: &mut dyn ReplySink<Self::Outgoing>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (cx, replies);
        async { Ok(()) }
    }

    /// One message whose name is one of `NAMES`, or unknown.
    #[doc(hidden)]
    fn message(
        &mut self,
        cx: &Context<'_, Self::State>,
        replies: &mut dyn ReplySink<Self::Outgoing>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// A raw text frame.
    #[doc(hidden)]
    fn text(
        &mut self,
        text: ByteString,
        cx: &Context<'_, Self::State, OnFrame>,
        replies: &mut dyn ReplySink<Self::Outgoing>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (text, cx, replies);
        async { Ok(()) }
    }

    /// A raw binary frame.
    #[doc(hidden)]
    fn binary(
        &mut self,
        data: Bytes,
        cx: &Context<'_, Self::State, OnFrame>,
        replies: &mut dyn ReplySink<Self::Outgoing>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (data, cx, replies);
        async { Ok(()) }
    }

    /// An error of another hook, already counted and logged; what this returns is answered instead.
    #[doc(hidden)]
    fn failed(
        &mut self,
        error: Error,
        cx: &Context<'_, Self::State, OnError>,
        replies: &mut dyn ReplySink<Self::Outgoing>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (cx, replies);
        async { Err(error) }
    }

    /// The end.
    #[doc(hidden)]
    fn disconnected(
        &mut self,
        cx: &Context<'_, Self::State, OnDisconnect>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = cx;
        async { Ok(()) }
    }
}

/// Whether a request has had its answer, which then was told again.
///
/// # Errors
///
/// `BACKEND_ERROR` where nobody can tell, `VALIDATION_FAILED` where its `id` was another request's.
pub(crate) async fn once<S: Sync>(cx: &Context<'_, S>, idempotent: &Idempotent) -> Result<bool, Error> {
    once::once(cx, idempotent).await
}

/// The error for a name that a consumer does not handle.
#[doc(hidden)]
pub fn unknown_message(name: &str) -> Error {
    // A hostile name may be as long as a message.
    let shown: String = name.chars().take(MAX_SHOWN_TYPE_CHARS).collect();
    Error::new(ErrorCode::InvalidMessageParams, format!("There is no message of the type {shown:?}."))
}

/// Why a session ended, for the transport: what to say to the client.
pub(crate) fn closing_frame(reason: &CloseReason) -> CloseReason {
    match reason.closed_by() {
        // The client's own code and words are the answer to its close frame.
        crate::close::ClosedBy::Client | crate::close::ClosedBy::Server => reason.clone(),
        // It hardly arrives; where it does, the server is still here.
        crate::close::ClosedBy::Lost => {
            CloseReason::server(crate::close::CloseCode::INTERNAL_ERROR, reason.text().to_owned())
        }
    }
}
