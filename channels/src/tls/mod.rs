//! TLS, by rustls: a listener for [`axum::serve`](fn@axum::serve).
//!
//! [`TlsListener`] stands between a listener and axum. What comes out of it has its handshake behind it, so
//! `wss://` needs no change of a consumer, a route or a client.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use axum::Router;
//! use channels::tls::TlsListener;
//! use channels::tls::rustls::ServerConfig;
//! use channels::tls::rustls::pki_types::pem::PemObject;
//! use channels::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
//!
//! # async fn serve(app: Router) -> Result<(), Box<dyn std::error::Error>> {
//! let chain = CertificateDer::pem_file_iter("chain.pem")?.collect::<Result<_, _>>()?;
//! let key = PrivateKeyDer::from_pem_file("key.pem")?;
//! let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
//! let listener = TlsListener::bind("0.0.0.0:443", Arc::new(config)).await?;
//! axum::serve(listener, app).await?;
//! # Ok(()) }
//! ```
//!
//! # Which protocol is spoken
//!
//! What [`ServerConfig::alpn_protocols`](rustls::ServerConfig::alpn_protocols) offers, in the server's order of
//! preference. It is empty at first, which means HTTP/1.1: every WebSocket client speaks it. With the feature
//! `http2` of this crate, `vec![b"h2".into(), b"http/1.1".into()]` lets browsers run many WebSockets over one
//! connection (RFC 8441). Don't offer `h2` without that feature: who chooses it would not be understood.
//!
//! # Which cryptography
//!
//! `ring`. rustls takes it by itself unless another dependency of the program also brings `aws-lc-rs`; then
//! rustls wants to be told before the first `ServerConfig`, and panics otherwise:
//! `rustls::crypto::ring::default_provider().install_default()`. A configuration made by
//! [`ServerConfig::builder_with_provider`](rustls::ServerConfig::builder_with_provider) is taken as it is.
//!
//! # The client's address
//!
//! [`TlsListener::with_connect_info`] makes `into_make_service_with_connect_info::<SocketAddr>()` work, which limits
//! `by = ip` need.

mod listener;
mod stats;

pub use listener::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_HANDSHAKES, TlsListener};
pub use stats::TlsStats;
/// The rustls that [`TlsListener`] takes its configuration from: no version of it need be named twice.
pub use tokio_rustls::rustls;
/// What [`TlsListener`] gives to axum.
pub use tokio_rustls::server::TlsStream;
