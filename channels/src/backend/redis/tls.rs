//! TLS to Redis, by rustls.

#[cfg(feature = "redis-tls")]
pub(super) use with_rustls::Tls;
#[cfg(not(feature = "redis-tls"))]
pub(super) use without::Tls;

#[cfg(feature = "redis-tls")]
mod with_rustls {
    use std::io;
    use std::sync::Arc;

    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use crate::backend::redis::dial::{ReadHalf, WriteHalf};

    /// Who may sign the server's certificate.
    pub(in crate::backend::redis) struct Tls(TlsConnector);

    impl std::fmt::Debug for Tls {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Tls")
        }
    }

    impl Tls {
        /// Trusts the authorities of a file, or those that the system trusts.
        pub(in crate::backend::redis) fn new(ca_file: &str) -> Result<Self, String> {
            let roots = if ca_file.is_empty() { system() } else { of_file(ca_file)? };
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(Self(TlsConnector::from(Arc::new(config))))
        }

        pub(in crate::backend::redis) async fn connect(
            &self,
            host: &str,
            stream: TcpStream,
        ) -> io::Result<(ReadHalf, WriteHalf)> {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let (read, write) = tokio::io::split(self.0.connect(name, stream).await?);
            Ok((Box::new(read), Box::new(write)))
        }
    }

    fn of_file(path: &str) -> Result<RootCertStore, String> {
        let problem = |error: &dyn std::fmt::Display| format!("REDIS_TLS_CA_FILE={path}: {error}");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(&error))? {
            let certificate = certificate.map_err(|error| problem(&error))?;
            roots.add(certificate).map_err(|error| problem(&error))?;
        }
        if roots.is_empty() { Err(problem(&"there is no certificate in it")) } else { Ok(roots) }
    }

    fn system() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        found.errors.iter().for_each(|error| tracing::warn!(%error, "a certificate of the system cannot be read"));
        roots.add_parsable_certificates(found.certs);
        roots
    }
}

#[cfg(not(feature = "redis-tls"))]
mod without {
    use std::io;

    use tokio::net::TcpStream;

    use crate::backend::redis::dial::{ReadHalf, WriteHalf};

    /// There is none in this build.
    #[derive(Debug)]
    pub(in crate::backend::redis) enum Tls {}

    impl Tls {
        pub(in crate::backend::redis) fn new(_ca_file: &str) -> Result<Self, String> {
            Err("REDIS_URL asks for TLS, and this program was built without the feature `redis-tls`".to_owned())
        }

        pub(in crate::backend::redis) async fn connect(
            &self,
            _host: &str,
            _stream: TcpStream,
        ) -> io::Result<(ReadHalf, WriteHalf)> {
            match *self {}
        }
    }
}
