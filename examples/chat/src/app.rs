//! From configuration to a running server.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::routing::any;
use channels::middleware::{Logging, RateLimit, Validation};
use channels::{ChannelLayer, Config, ConfigBuilder, ConfigError, Rate};
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};

use crate::consumer::Chat;
use crate::inspector::Token;
use crate::login::{self, Logins, Secret};
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use crate::{background, http, inspector, page};

/// `DATABASE_URL`, unless it is set.
pub const DEFAULT_DATABASE_URL: &str = "sqlite://chat.db?mode=rwc";
/// A file of 10 MB in base64, and its envelope.
const MAX_MESSAGE_SIZE: usize = 16 * 1024 * 1024;
/// A few such files may wait for a slow client.
const OUTBOX_BYTES: usize = 64 * 1024 * 1024;

/// Frames of a connection, in ten seconds: what a page sends in a day, and little enough for a server to throw away.
const FRAMES: u32 = 10_000;
/// Bytes of a connection, in ten seconds: as many files as `posting` allows, of 10 MB in base64.
const BYTES: u32 = 320 * 1024 * 1024;

/// The chat's own defaults.
pub fn builder() -> ConfigBuilder {
    let own = Config::builder().max_message_size(MAX_MESSAGE_SIZE).outbox_bytes(OUTBOX_BYTES);
    let own = own.frames_per_connection(in_ten_seconds(FRAMES)).bytes_per_connection(in_ten_seconds(BYTES));
    // A chat's page that gives up is no use to anybody.
    own.reconnect_max_attempts(0)
}

/// The configuration: the chat's own defaults, then `.env` and the environment.
///
/// # Errors
///
/// Names each wrong variable.
pub fn config() -> Result<Config, ConfigError> {
    builder().env()?.build()
}

/// What handlers and endpoints share.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) layer: ChannelLayer,
    pub(crate) logins: Logins,
}

impl FromRef<AppState> for Logins {
    fn from_ref(state: &AppState) -> Self {
        state.logins.clone()
    }
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.store.clone()
    }
}

/// The chat, ready to be served.
pub struct App {
    layer: ChannelLayer,
    store: Store,
    metrics: Metrics,
    inspector: Option<Token>,
    logins: Logins,
}

/// Why the chat does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error("{0}")]
    Store(String),
    /// `CHAT_SECRET` is too short.
    #[error("CHAT_SECRET has {0} bytes, and needs at least {least}; `openssl rand -base64 32` makes one.", least = login::LEAST_BYTES)]
    Secret(usize),
    /// The backend cannot be reached.
    #[error("{0}")]
    Layer(channels::Error),
    /// The token of the inspector is no token.
    #[error("CHAT_INSPECTOR_TOKEN is too short: use at least 16 characters that nobody guesses.")]
    InspectorToken,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}. Set HOST and PORT to a free address.")]
    Listen {
        /// `HOST:PORT`.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("the server failed: {0}")]
    Serve(std::io::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl App {
    /// Opens the database and connects the layer.
    ///
    /// # Errors
    ///
    /// [`StartError`] says which of the two failed, and why.
    pub async fn start(config: Config, database_url: &str) -> Result<Self, StartError> {
        let url = database_url.to_owned();
        let opened = tokio::task::spawn_blocking(move || Store::open(&url)).await;
        let store = opened.map_err(|error| StartError::Store(error.to_string()))??;
        let layer = ChannelLayer::connect(config).await.map_err(StartError::Layer)?;
        let metrics = Metrics::new(&layer).unwrap_or_else(|_| unreachable!("there are buckets"));
        Ok(Self { layer, store, metrics, inspector: None, logins: Logins::default() })
    }

    /// With a secret, names are signed: a cookie says who somebody is, and no longer the path.
    #[must_use]
    pub fn signed_by(mut self, secret: Option<Secret>) -> Self {
        self.logins = Logins::of(secret);
        self
    }

    /// Adds `/inspector` for whoever has this token; nothing where it is empty.
    ///
    /// # Errors
    ///
    /// [`StartError::InspectorToken`] where it is too short to keep anybody out.
    pub fn inspected_with(mut self, token: &str) -> Result<Self, StartError> {
        if !token.is_empty() {
            self.inspector = Some(Token::new(token).ok_or(StartError::InspectorToken)?);
        }
        Ok(self)
    }

    /// Its channel layer.
    pub fn layer(&self) -> &ChannelLayer {
        &self.layer
    }

    /// Everything it serves.
    pub fn router(&self) -> Router {
        // What has a limit of its own is not counted here too; a ping costs nobody anything.
        let limited_by_themselves =
            ["chat_message", "private_message", "file_message", "typing_start", "typing_stop", "ping"];
        let socket = self
            .layer
            .serve::<Chat>()
            .middleware(Validation::new())
            .middleware(Logging::new())
            .middleware(RateLimit::new(default_rate()).exclude(limited_by_themselves));
        Router::new()
            .route("/ws/{user_id}", socket.into_route_with_connect_info())
            // No name at all is no name either.
            .route("/ws/", any(|| async { (StatusCode::BAD_REQUEST, "a user id must not be empty") }))
            .merge(http::routes())
            .merge(login::routes())
            .merge(page::routes())
            .layer(CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any))
            .with_state(AppState { store: self.store.clone(), layer: self.layer.clone(), logins: self.logins.clone() })
            // Below the layer above: no page of another origin reads these.
            .merge(self.metrics.clone().routes())
            .merge(self.inspector.clone().map_or_else(Router::new, |token| inspector::routes(&self.layer, token)))
    }

    /// Serves until the signal, then drains.
    ///
    /// # Errors
    ///
    /// [`StartError::Serve`] where the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), StartError> {
        // The job finds this layer, also where another is installed.
        let job = tokio::spawn(self.layer.scope(background::report_status()));
        let app = self.router().into_make_service_with_connect_info::<SocketAddr>();
        let stop = self.layer.shutdown_on(signal);
        let server = axum::serve(listener, app).with_graceful_shutdown(stop);
        self.layer.run(server).await.map_err(StartError::Serve)?;
        job.abort();
        self.store.close().await;
        Ok(())
    }
}

fn in_ten_seconds(count: u32) -> Option<Rate> {
    Rate::new(count, std::time::Duration::from_secs(10)).ok()
}

/// The seed's default for what has no limit of its own: 100 messages in 60 s.
fn default_rate() -> Rate {
    const COUNT: u32 = 100;
    Rate::new(COUNT, std::time::Duration::from_secs(60)).unwrap_or_else(|_| unreachable!("100 in 60 s is a rate"))
}

/// `HOST` and `PORT`, 127.0.0.1 and 8000 unless set.
pub async fn listen() -> Result<TcpListener, StartError> {
    let host = Config::variable("HOST")?.unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = Config::variable("PORT")?.unwrap_or_else(|| "8000".to_owned());
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    TcpListener::bind(&address).await.map_err(|source| StartError::Listen { address, source })
}
