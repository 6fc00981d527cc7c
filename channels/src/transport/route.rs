//! A consumer as a route of axum.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use axum::extract::{FromRef, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::accept::accept;
use super::instance::{self, Instance, Instances};
use super::negotiate::{Negotiated, negotiate};
use super::refusal::{self, Who};
use super::{address, origin, run, secrets};
use crate::config::Origins;
use crate::connection::{Connection, Gate, Link, OutboxLimits};
use crate::consumer::{Asks, Consumer, Session, Source, dismiss};
use crate::error::{Error, caught_now};
use crate::id::UserId;
use crate::layer::{ChannelLayer, HandshakeBy, Place};
use crate::message::OutboxPolicy;
use crate::middleware::{DynMiddleware, Middleware};
use crate::websocket::{Handshake, NoWebSocket};

/// What hands on the address of each client.
const SERVE_BY: &str = "and serve the router by `axum::serve(listener, \
                        app.into_make_service_with_connect_info::<SocketAddr>())`";

/// A route in the making: [`ChannelLayer::serve`].
pub struct Serve<C> {
    layer: ChannelLayer,
    middleware: Vec<Arc<dyn DynMiddleware>>,
    policy: OutboxPolicy,
    origins: Option<Origins>,
    consumer: PhantomData<fn() -> C>,
}

impl ChannelLayer {
    /// Serves a consumer: one value of it for each connection.
    ///
    /// ```
    /// use bytestring::ByteString;
    /// use channels::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct Echo;
    ///
    /// #[consumer]
    /// impl Echo {
    ///     #[on_text]
    ///     fn text(&self, text: ByteString) -> ByteString { text }
    /// }
    ///
    /// let layer = ChannelLayer::memory();
    /// let app: axum::Router = axum::Router::new().route("/ws", layer.serve::<Echo>().into_route());
    /// ```
    pub fn serve<C: Consumer>(&self) -> Serve<C> {
        Serve { layer: self.clone(), middleware: Vec::new(), policy: C::OUTBOX, origins: None, consumer: PhantomData }
    }
}

impl<C: Consumer> Serve<C> {
    /// Adds a middleware; the first added is the outermost.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// What happens when a client takes its messages too slowly, whatever `#[consumer(outbox = "…")]` says; the connection is
    /// closed unless one of the two says otherwise. [The guide](crate::docs::slow_clients) says which is for what.
    #[must_use]
    pub fn outbox_policy(mut self, policy: OutboxPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The pages of the web that may connect here, besides those of the same host and port: in the place of
    /// `WS_ALLOWED_ORIGINS`.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Default)] struct Feed;
    /// # #[consumer] impl Feed { #[on_text] fn text(&self, _text: ByteString) {} }
    /// # let layer = ChannelLayer::memory();
    /// // A feed that any page may show.
    /// let app: axum::Router = axum::Router::new()
    ///     .route("/feed", layer.serve::<Feed>().allowed_origins(channels::Origins::any()).into_route());
    /// ```
    #[must_use]
    pub fn allowed_origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }

    /// The route, for [`axum::Router::route`]. A client that is refused gets an HTTP response: 403 for a page of
    /// another origin, what `#[accept]` says, 429 for too many connections of a user, 503 for too many in all or,
    /// before any of these has a say, while draining, and 4xx for a request that is no WebSocket's.
    ///
    /// Routers with different states may share it, as clones: `#[accept]`, the handlers and `#[authorize]` of a connection all have the
    /// state of the router that it came by. Where there is an `#[authorize]`, the connections of one `with_state` have in common what
    /// is made for it: who calls that for each request, or makes the route a handler as `Router::fallback` does, has it made for each.
    ///
    /// # Panics
    ///
    /// Where a limit counts by the client's address, as `#[rate_limit(…, by = ip)]`, `RateLimit::by(By::Ip)` and
    /// `WS_CONNECTIONS_PER_ADDRESS` do: who forgets to hand the address on learns it when the server starts. [`Serve::into_route_with_connect_info`] is for these.
    #[track_caller]
    pub fn into_route<S>(self) -> MethodRouter<S>
    where
        C::State: FromRef<S>,
        S: Clone + Send + Sync + 'static,
    {
        let by_ip = C::LIMITS_BY_IP.then_some("`#[rate_limit(…, by = ip)]`");
        let by_middleware = || self.has_middleware_by_address().then_some("a middleware of this route");
        if let Some(limit) = by_ip.or_else(by_middleware).or_else(|| self.layer.config().limit_by_address()) {
            panic!(
                "{limit} needs the client's address: end the route by `.into_route_with_connect_info()`, {SERVE_BY}"
            );
        }
        self.route()
    }

    /// As [`Serve::into_route`], where limits count by the client's address, or [`Connection::ip`] is wanted. It says that
    /// the router is served with the address of each client:
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// # use channels::prelude::*;
    /// # #[derive(Default)] struct Feed;
    /// # #[consumer] impl Feed { #[on_text] fn text(&self, _text: ByteString) {} }
    /// # async fn serve(layer: ChannelLayer, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// let app: axum::Router = axum::Router::new().route("/feed", layer.serve::<Feed>().into_route_with_connect_info());
    /// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
    /// # }
    /// ```
    ///
    /// If it is not, and an address has to be known, each client gets 500, whoever it is, and the log says why, at most once a
    /// second at error level.
    pub fn into_route_with_connect_info<S>(self) -> MethodRouter<S>
    where
        C::State: FromRef<S>,
        S: Clone + Send + Sync + 'static,
    {
        self.route()
    }

    fn has_middleware_by_address(&self) -> bool {
        self.middleware.iter().any(|middleware| middleware.needs_address())
    }

    pub(crate) fn route<S>(self) -> MethodRouter<S>
    where
        C::State: FromRef<S>,
        S: Clone + Send + Sync + 'static,
    {
        if let Some(within) = C::FIRST_FRAME {
            self.layer.manager().expect_first_frame(within);
        }
        let of_middleware = self.middleware.iter().flat_map(|middleware| middleware.buckets());
        self.layer.manager().declare_buckets(C::BUCKETS.iter().copied().chain(of_middleware));
        let needs_address =
            C::LIMITS_BY_IP || self.has_middleware_by_address() || self.layer.config().limit_by_address().is_some();
        let route = Arc::new(Route {
            needs_address,
            origins: self.origins.unwrap_or_else(|| self.layer.config().allowed_origins().clone()),
            layer: self.layer,
            middleware: Arc::new(self.middleware.into()),
            policy: self.policy,
            consumer: PhantomData::<fn() -> C>,
        });
        let upgrade = move |State(state): State<S>, mut request: Request| {
            let instance = instance::of(&mut request);
            let state = route.state_of(&state, &instance);
            async move {
                let upgraded = async { route.upgrade(request, state?, &instance).await };
                upgraded.await.unwrap_or_else(|refusal| refusal)
            }
        };
        any(upgrade).layer(Instances::of::<S>(C::AUTHORIZES))
    }
}

struct Route<C> {
    /// Nobody can be let in whose address is not known.
    needs_address: bool,
    layer: ChannelLayer,
    middleware: crate::middleware::Chain,
    policy: OutboxPolicy,
    origins: Origins,
    consumer: PhantomData<fn() -> C>,
}

impl<C: Consumer> Route<C> {
    /// What the consumer needs of the router's state. `FromRef` is the application's, and may panic as `#[accept]` may.
    #[allow(clippy::result_large_err, reason = "a response is what axum makes of it")]
    fn state_of<S>(&self, state: &S, instance: &Instance) -> Result<C::State, Response>
    where
        C::State: FromRef<S>,
    {
        let taken = caught_now(|| {
            if C::AUTHORIZES {
                let asks = || Arc::new(Asks::<C>::new(self.layer.clone(), C::State::from_ref(state))) as Arc<dyn Gate>;
                instance.gate.get_or_init(asks);
            }
            Ok(C::State::from_ref(state))
        });
        taken.map_err(|error| {
            self.layer.manager().failed(&error);
            error.response()
        })
    }

    async fn upgrade(&self, request: Request, state: C::State, instance: &Instance) -> Result<Response, Response> {
        let (mut parts, _body) = request.into_parts();
        let socket = Socket::take(&mut parts).map_err(IntoResponse::into_response)?;
        let ip = address::of(&parts, self.layer.config());
        let nobody_yet = Who { user: None, ip };
        let going = self.layer.manager().check_drain();
        going.map_err(|refused| refusal::not_admitted(refused, nobody_yet, &self.layer))?;
        // Also where nobody ever gets in, what limits remember has to be swept.
        self.layer.ensure_background();
        if ip.is_none() && !socket.is_in_process() && self.needs_address {
            self.layer.manager().counters.refused();
            return Err(refusal::with(no_connect_info(), nobody_yet, &self.layer));
        }
        self.check_handshake(ip.map(|ip| HandshakeBy::Address(ip.into())), nobody_yet).await?;
        origin::check(&parts, &self.origins, &self.layer.manager().verdicts).map_err(|error| error.response())?;
        let negotiated = negotiate(&parts.headers, self.layer.serializers(), self.layer.config());
        secrets::hide(&mut parts.headers);
        parts.extensions.insert(self.layer.clone());
        let (consumer, user) = accept::<C>(&mut parts, &state, &self.layer, nobody_yet).await?;
        // Kept parts would pin ten kilobytes for the life of the connection.
        drop(parts);
        match self.admit(user, ip, &negotiated, instance).await {
            Ok((connection, place)) => {
                let (layer, middleware) = (self.layer.clone(), Arc::clone(&self.middleware));
                let session = Session { consumer, connection, layer, state, middleware };
                Ok(socket.run(session, place, negotiated))
            }
            Err(refusal) => {
                dismiss(consumer, None, self.layer.manager());
                Err(refusal)
            }
        }
    }

    async fn admit(
        &self,
        user: Option<UserId>,
        ip: Option<IpAddr>,
        negotiated: &Negotiated,
        instance: &Instance,
    ) -> Result<(Connection, Place), Response> {
        self.check_handshake(user.as_ref().map(HandshakeBy::User), Who { user: user.as_ref(), ip }).await?;
        let id = self.layer.manager().next_id();
        let connection = Connection::new(id, user, ip, self.link(negotiated, instance));
        match self.layer.manager().admit(&connection).await {
            Ok(place) => Ok((connection, place)),
            Err(refused) => Err(refusal::not_admitted(refused, Who { user: connection.user(), ip }, &self.layer)),
        }
    }

    async fn check_handshake(&self, by: Option<HandshakeBy<'_>>, who: Who<'_>) -> Result<(), Response> {
        let Some(by) = by else { return Ok(()) };
        self.layer.manager().check_handshake(by).await.map_err(|error| refusal::with(error, who, &self.layer))
    }

    fn link(&self, negotiated: &Negotiated, instance: &Instance) -> Arc<Link> {
        let (variant, extras) = (negotiated.variant(), negotiated.protocol.is_some());
        let mut links = instance.links.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = Handle::current();
        // A router may outlive the runtime that served it first.
        links.retain(|link| link.runtime.id() == runtime.id());
        if let Some(link) = links.iter().find(|link| link.variant == variant && link.extras == extras) {
            return Arc::clone(link);
        }
        let (manager, config) = (self.layer.manager(), self.layer.config());
        let link = Arc::new(Link {
            memberships: Arc::clone(manager) as Arc<dyn crate::connection::Memberships>,
            gate: instance.gate.get().map(Arc::clone),
            counters: Arc::clone(&manager.counters),
            first_frame: C::FIRST_FRAME,
            metering: manager.metering.clone(),
            unfinished: Arc::clone(&manager.unfinished),
            handlers: manager.counters.timings.of_handlers(C::NAMES),
            serializers: Arc::clone(self.layer.serializers()),
            variant,
            layout: C::LAYOUT,
            extras,
            outbox: OutboxLimits {
                messages: config.outbox_messages(),
                bytes: config.outbox_bytes(),
                policy: self.policy,
            },
            compress_from: config.compression_min_bytes(),
            runtime,
            since: Instant::now(),
        });
        links.push(Arc::clone(&link));
        link
    }
}

/// Why nobody is let in whose address is not known.
fn no_connect_info() -> Error {
    Error::internal(format!(
        "a `#[rate_limit(…, by = ip)]`, a middleware, or a limit by address that is on, needs the client's address: end the route by \
         `.into_route_with_connect_info()`, {SERVE_BY}"
    ))
}

/// Where a session's frames come from.
enum Socket {
    WebSocket(Handshake),
    InProcess(InProcess),
}

/// The other end of a session without a socket, put into a request's extensions by `channels::testing`.
#[derive(Clone)]
pub(crate) struct InProcess(pub(crate) Arc<dyn Fn(Box<dyn RunOver>) + Send + Sync>);

/// A session that waits for something to run over.
#[cfg_attr(not(feature = "testing"), allow(dead_code, reason = "only tests run sessions without a socket"))]
pub(crate) trait RunOver: Send {
    fn connection(&self) -> &Connection;
    fn run(self: Box<Self>, from: Box<dyn Source>);
}

impl Socket {
    fn take(parts: &mut Parts) -> Result<Self, NoWebSocket> {
        match parts.extensions.remove::<InProcess>() {
            Some(in_process) => Ok(Self::InProcess(in_process)),
            None => Handshake::take(parts).map(Self::WebSocket),
        }
    }

    fn is_in_process(&self) -> bool {
        matches!(self, Self::InProcess(_))
    }

    /// Starts the session; the answer to the request.
    fn run<C: Consumer>(self, session: Session<C>, place: Place, negotiated: Negotiated) -> Response {
        match self {
            Self::InProcess(in_process) => {
                (in_process.0)(Box::new(Pending { session, place }));
                StatusCode::SWITCHING_PROTOCOLS.into_response()
            }
            Self::WebSocket(handshake) => {
                let (response, on_upgrade) =
                    handshake.accept(negotiated.protocol.as_deref(), negotiated.deflate.map(|(_, answer)| answer));
                tokio::spawn(run::upgraded(on_upgrade, session, place));
                response
            }
        }
    }
}

/// A session with its place, until it runs.
struct Pending<C: Consumer> {
    session: Session<C>,
    place: Place,
}

impl<C: Consumer> RunOver for Pending<C> {
    fn connection(&self) -> &Connection {
        &self.session.connection
    }

    fn run(self: Box<Self>, mut from: Box<dyn Source>) {
        tokio::spawn(async move {
            let Self { mut session, place } = *self;
            run::Corked::new(session.run(&mut from)).await;
            session.dismiss();
            drop(place);
        });
    }
}
