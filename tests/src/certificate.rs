//! A certificate for `localhost`, made for one test: nothing on disk can run out.

use std::sync::Arc;

use channels::tls::rustls::pki_types::{PrivateKeyDer, ServerName};
use channels::tls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::socket::soon;

/// What the server presents, and a client that trusts it.
pub struct Certificate {
    pub server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Certificate {
    /// Both ends offer these protocols by ALPN.
    pub fn new(protocols: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let protocols: Vec<_> = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let server = ServerConfig::builder().with_no_client_auth();
        let mut server = server.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        server.alpn_protocols = protocols.clone();
        let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = protocols;
        Self { server: Arc::new(server), client: Arc::new(client) }
    }

    /// The client's handshake over a stream of any kind.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> std::io::Result<TlsStream<S>> {
        let name = ServerName::try_from("localhost").unwrap();
        soon("the handshake", TlsConnector::from(Arc::clone(&self.client)).connect(name, stream)).await
    }
}
