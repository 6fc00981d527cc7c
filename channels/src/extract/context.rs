//! What a hook sees of its connection.

use crate::close::CloseReason;
use crate::connection::Connection;
use crate::layer::ChannelLayer;
use crate::message::Message;

mod sealed {
    pub trait Sealed {}
}

/// A kind of hook, and what it is called about.
pub trait Hook: sealed::Sealed + Send + Sync + 'static {
    /// What it is called about.
    #[doc(hidden)]
    type Subject<'a>: Copy + Send + Sync;
}

/// One kind of hook. The lifetime is named by the caller, as a macro's own would not be seen by the subject.
macro_rules! hook {
    ($name:ident<$life:lifetime> = $subject:ty, $docs:literal) => {
        #[doc = $docs]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl sealed::Sealed for $name {}

        impl Hook for $name {
            type Subject<$life> = $subject;
        }
    };
}

hook!(OnJoin<'a> = &'a str, "`#[authorize]`.");
hook!(OnConnect<'a> = (), "`#[connect]`.");
hook!(OnMessage<'a> = &'a Message, "`#[on(\"…\")]`.");
hook!(OnFrame<'a> = (), "`#[on_text]` and `#[on_binary]`.");
hook!(OnError<'a> = (), "`#[error]`.");
hook!(OnDisconnect<'a> = &'a CloseReason, "`#[disconnect]`.");

/// What an [extractor](super::Extract) takes from: the connection, its layer, the application's state, and
/// what the hook is called about.
pub struct Context<'a, S, H: Hook = OnMessage> {
    connection: &'a Connection,
    layer: &'a ChannelLayer,
    state: &'a S,
    subject: H::Subject<'a>,
}

impl<'a, S, H: Hook> Context<'a, S, H> {
    pub(crate) fn new(
        connection: &'a Connection,
        layer: &'a ChannelLayer,
        state: &'a S,
        subject: H::Subject<'a>,
    ) -> Self {
        Self { connection, layer, state, subject }
    }

    /// The connection.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Its layer.
    pub fn layer(&self) -> &'a ChannelLayer {
        self.layer
    }

    /// The consumer's state.
    pub fn state(&self) -> &'a S {
        self.state
    }
}

impl<'a, S> Context<'a, S, OnMessage> {
    /// The message that is handled.
    pub fn message(&self) -> &'a Message {
        self.subject
    }
}

impl<'a, S> Context<'a, S, OnJoin> {
    /// The group that is to be joined.
    pub fn group(&self) -> &'a str {
        self.subject
    }
}

impl<'a, S> Context<'a, S, OnDisconnect> {
    /// Why the connection ended.
    pub fn close_reason(&self) -> &'a CloseReason {
        self.subject
    }
}
