//! Making a client.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use tower_service::Service;

use super::client::Client;
use crate::consumer::Consumer;
use crate::layer::ChannelLayer;
use crate::transport::{InProcess, RunOver, Serve};

/// A client in the making. Await it.
#[must_use = "await it to connect"]
pub struct Connect<'a> {
    router: Box<dyn FnOnce(&str) -> Router + Send + 'a>,
    route: Option<String>,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    address: Option<IpAddr>,
}

/// Connects to a consumer. The state is what its router would have.
///
/// The path is `/` unless [`Connect::path`] says otherwise; see there for its parameters.
pub fn connect<'a, C: Consumer>(layer: &ChannelLayer, state: impl ProvidesState<C> + Send + 'static) -> Connect<'a> {
    let serve = layer.serve::<C>();
    Connect::new(Box::new(move |route| state.router(route, serve)))
}

/// What can be the state of a router with this consumer.
pub trait ProvidesState<C>: Sized {
    /// The route in a router with this state.
    #[doc(hidden)]
    fn router(self, route: &str, serve: Serve<C>) -> Router;
}

impl<C: Consumer, S: Clone + Send + Sync + 'static> ProvidesState<C> for S
where
    C::State: FromRef<S>,
{
    fn router(self, route: &str, serve: Serve<C>) -> Router {
        Router::new().route(route, serve.route()).with_state(self)
    }
}

/// Connects to a route of a whole application.
///
/// ```
/// # use channels::{ChannelLayer, testing};
/// # async fn test(app: axum::Router) {
/// let client = testing::connect_to(&app).path("/ws/ada").await.unwrap();
/// # }
/// ```
pub fn connect_to(app: &Router) -> Connect<'static> {
    let app = app.clone();
    Connect::new(Box::new(move |_| app))
}

impl<'a> Connect<'a> {
    fn new(router: Box<dyn FnOnce(&str) -> Router + Send + 'a>) -> Self {
        Self { router, route: None, path: "/".to_owned(), headers: Vec::new(), address: None }
    }

    /// The path and query of the request.
    ///
    /// Unless [`Connect::route`] says otherwise, the last segment of the path is the route's one
    /// parameter: `/ws/ada` is served by `/ws/{parameter}`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The route, as for [`axum::Router::route`]: `/ws/{room}/{user}`.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// A header of the request.
    ///
    /// # Panics
    ///
    /// Where it is not a legal header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(name), Ok(value)) = (name.parse(), value.parse()) else { panic!("no header: {name}: {value}") };
        self.headers.push((name, value));
        self
    }

    /// The address that the client comes from, as the server's connect info has it. Without one a client has none, and no
    /// limit by address holds for it.
    ///
    /// ```
    /// # use channels::{ChannelLayer, testing};
    /// # async fn test(app: axum::Router) {
    /// let client = testing::connect_to(&app).path("/ws/ada").address([203, 0, 113, 7]).await.unwrap();
    /// assert_eq!(client.connection().ip().unwrap().to_string(), "203.0.113.7");
    /// # }
    /// ```
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// A subprotocol that the client names, such as `channels.v1.json`.
    #[track_caller]
    pub fn protocol(self, protocol: &str) -> Self {
        self.header(header::SEC_WEBSOCKET_PROTOCOL.as_str(), protocol)
    }

    async fn run(self) -> Result<Client, Refused> {
        let route = self.route.unwrap_or_else(|| route_of(&self.path));
        let mut router = (self.router)(&route);
        let session: Arc<Mutex<Option<Box<dyn RunOver>>>> = Arc::default();
        let taker = Arc::clone(&session);
        let in_process = InProcess(Arc::new(move |session| {
            *taker.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        }));
        let mut request = Request::get(&self.path).extension(in_process);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers);
        }
        if let Some(address) = self.address {
            request = request.extension(ConnectInfo(SocketAddr::new(address, 0)));
        }
        let request = request.body(Body::empty()).map_err(|error| Refused::unsent(&error))?;
        let Ok(response) = router.call(request).await;
        let session = session.lock().unwrap_or_else(PoisonError::into_inner).take();
        match session {
            Some(session) => Ok(Client::start(session)),
            None => Err(Refused::by(response).await),
        }
    }
}

fn route_of(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    match path.rsplit_once('/') {
        Some((before, last)) if !last.is_empty() => format!("{before}/{{parameter}}"),
        _ => path.to_owned(),
    }
}

impl<'a> IntoFuture for Connect<'a> {
    type Output = Result<Client, Refused>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The HTTP response to a client that was not let in.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Refused {
    fn unsent(error: &axum::http::Error) -> Self {
        Self { status: StatusCode::BAD_REQUEST, headers: Default::default(), body: error.to_string() }
    }

    async fn by(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
        Self { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// One of its headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Its body.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}: {}", self.status, self.body)
    }
}

impl std::error::Error for Refused {}
