//! What every message passes before its handler.
//!
//! The first added is the outermost. A middleware passes the message on, changes it, drops it (by
//! returning without [`Next::run`]), or refuses it with an error. The framework's own `ping` does
//! not pass it, nor do raw frames; those are only [inspected](Middleware::inspect).

mod logging;
mod rate_limit;
mod validation;

use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
pub use logging::Logging;
pub use rate_limit::RateLimit;
pub use validation::Validation;

use crate::connection::Connection;
use crate::error::Error;
use crate::layer::ChannelLayer;
use crate::message::{Frame, Message};

/// One step on the way to the handler.
///
/// ```
/// use channels::prelude::*;
/// use channels::message::Message;
///
/// /// Nobody speaks while the server is read-only.
/// struct ReadOnly(bool);
///
/// impl Middleware for ReadOnly {
///     async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), channels::Error> {
///         if self.0 {
///             return Err(channels::Error::authorization("The server is read-only now."));
///         }
///         next.run(message).await
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` is not a middleware", label = "needs `impl Middleware`")]
pub trait Middleware: Send + Sync + 'static {
    /// Whether it counts or decides by the client's address. Where one does, [`Serve::into_route`](crate::Serve::into_route) panics,
    /// and a client whose address is not known is refused, as with `#[rate_limit(…, by = ip)]`.
    ///
    /// A middleware around another has to pass this on, as nobody else sees what is inside. A
    /// [`RateLimit`] by [`By::Ip`](crate::rate_limit::By::Ip) whose wrapper leaves it at `false` counts each connection by
    /// itself where no address is known, and so limits nobody who comes back.
    fn needs_address(&self) -> bool {
        false
    }

    /// What its limits are called in `WS_RATE_LIMITS`, so that a name there that is nobody's is told in the log. A middleware
    /// that holds a [`RateLimit`] hands on what that says.
    fn buckets(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Looks at a frame before anything of it is parsed.
    ///
    /// # Errors
    ///
    /// Answered to the client; the frame goes no further.
    fn inspect(&self, frame: &Frame, connection: &Connection) -> Result<(), Error> {
        let _ = (frame, connection);
        Ok(())
    }

    /// Handles a message, by passing it on or not. A message with an `id` that is neither passed on
    /// nor refused is answered by `$ok`.
    ///
    /// # Errors
    ///
    /// The handler's, or its own refusal; answered to the client.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the connection ends and the handler's deadline has passed.
    fn handle(&self, message: Message, next: Next<'_>) -> impl Future<Output = Result<(), Error>> + Send {
        next.run(message)
    }
}

/// [`Middleware`] with a boxed future.
pub(crate) trait DynMiddleware: Send + Sync {
    fn needs_address(&self) -> bool;
    fn buckets(&self) -> Vec<&'static str>;
    fn inspect(&self, frame: &Frame, connection: &Connection) -> Result<(), Error>;
    fn handle<'a>(&'a self, message: Message, next: Next<'a>) -> BoxFuture<'a, Result<(), Error>>;
}

impl<M: Middleware> DynMiddleware for M {
    fn needs_address(&self) -> bool {
        Middleware::needs_address(self)
    }

    fn buckets(&self) -> Vec<&'static str> {
        Middleware::buckets(self)
    }

    fn inspect(&self, frame: &Frame, connection: &Connection) -> Result<(), Error> {
        Middleware::inspect(self, frame, connection)
    }

    fn handle<'a>(&'a self, message: Message, next: Next<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Middleware::handle(self, message, next).boxed()
    }
}

/// The middleware of a route, outermost first. Each connection holds it, so it is a thin pointer.
pub(crate) type Chain = Arc<Box<[Arc<dyn DynMiddleware>]>>;

/// The consumer at the end of the chain.
pub(crate) trait Terminal: Send {
    fn handle(&mut self, message: Message) -> BoxFuture<'_, Result<(), Error>>;
}

/// The rest of the way.
pub struct Next<'a> {
    chain: &'a [Arc<dyn DynMiddleware>],
    terminal: &'a mut (dyn Terminal + 'a),
    connection: &'a Connection,
    layer: &'a ChannelLayer,
}

impl<'a> Next<'a> {
    pub(crate) fn new(
        chain: &'a [Arc<dyn DynMiddleware>],
        terminal: &'a mut (dyn Terminal + 'a),
        connection: &'a Connection,
        layer: &'a ChannelLayer,
    ) -> Self {
        Self { chain, terminal, connection, layer }
    }

    /// Whose message it is.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// The layer.
    pub fn layer(&self) -> &'a ChannelLayer {
        self.layer
    }

    /// Passes the message on, and returns when it has been handled.
    ///
    /// # Errors
    ///
    /// What refused it, or the handler's own.
    pub async fn run(self, message: Message) -> Result<(), Error> {
        match self.chain.split_first() {
            Some((first, rest)) => first.handle(message, Next { chain: rest, ..self }).await,
            None => self.terminal.handle(message).await,
        }
    }
}
