//! A private authority, for one server: its certificate is worth nothing elsewhere, and nothing runs out on disk.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// The files of a server that speaks TLS.
#[derive(Debug)]
pub(super) struct Authority {
    /// What a client has to trust.
    pub(super) certificate: PathBuf,
    pub(super) server_certificate: PathBuf,
    pub(super) server_key: PathBuf,
}

impl Authority {
    /// Makes an authority and a certificate for `localhost` and 127.0.0.1, as PEM.
    pub(super) fn create(folder: &Path) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let server_key = KeyPair::generate().unwrap();
        let server = server.signed_by(&server_key, &issuer).unwrap();
        let file = |name: &str, label: &str, der: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, pem(label, der)).unwrap();
            path
        };
        Self {
            certificate: file("ca.pem", "CERTIFICATE", certificate.der()),
            server_certificate: file("server.pem", "CERTIFICATE", server.der()),
            server_key: file("server.key", "PRIVATE KEY", &server_key.serialize_der()),
        }
    }
}

/// As rcgen would with its feature `pem`, which brings a second base64.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
