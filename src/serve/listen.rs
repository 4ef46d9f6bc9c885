//! Where the server listens, and the certificate that it shows over TLS.

use std::error::Error;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error_class::Fault;
use crate::storage::read_to_cap;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};

/// Where to listen; port 0 takes a free one.
#[derive(Clone, Debug)]
pub struct Listen {
    /// For plain HTTP.
    pub http: SocketAddr,
    /// For the same over TLS.
    pub tls: Option<Tls>,
}

impl From<SocketAddr> for Listen {
    fn from(http: SocketAddr) -> Self {
        Self { http, tls: None }
    }
}

/// Where to listen for TLS, and as whom to answer.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The address.
    pub address: SocketAddr,
    /// File of the certificate and of those that vouch for it, the server's own first, as PEM.
    pub certificate: PathBuf,
    /// File of the certificate's private key without a passphrase, as PEM.
    pub key: PathBuf,
}

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Listens on `address`.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    rustix::net::listen(&listener, BACKLOG)?; // the library lets only a few wait
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Makes the error of a certificate or key that cannot be used.
fn unusable(path: &Path, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
    Fault::usage(format!("cannot answer over TLS with {}", path.display())).because(cause)
}

/// Certificates and keys have a few KiB.
const MAX_PEM_BYTES: u64 = 1 << 20;

impl Tls {
    /// The settings of the server's side: TLS 1.2 and 1.3, and HTTP/1.1.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, Fault> {
        let refused =
            |path| move |error: rustls::Error| unusable(path, Fault::usage("it cannot be used").because(error));
        let provider = Arc::new(default_provider());
        let chain = chain(&self.certificate)?;
        let key = provider.key_provider.load_private_key(key(&self.key)?).map_err(refused(&self.key))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().or_else(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let certificate = self.certificate.display();
                Err(unusable(&self.key, format!("it is not the key of the certificate in {certificate}")))
            }
            // Keys that do not tell their public half cannot be compared.
            rustls::Error::InconsistentKeys(_) => Ok(()),
            error => Err(refused(&self.certificate)(error)),
        })?;
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let builder = versions.map_err(refused(&self.certificate))?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let read = File::open(path).and_then(|file| read_to_cap(file, MAX_PEM_BYTES));
    read.map_err(|error| unusable(path, Fault::usage("it cannot be read").because(error)))
}

fn no_pem(error: &pem::Error) -> String {
    format!("it is no PEM file: {error}")
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| unusable(path, no_pem(&error)))?;
    if found.is_empty() { Err(unusable(path, "there is no certificate in it")) } else { Ok(found) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(path, "there is no private key without a passphrase in it"),
        error => unusable(path, no_pem(&error)),
    })
}
