//! A certificate authority of the tests' own, made by openssl, and the TLS side of the test server.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::{ConfigBuilder, ServerConfig, ServerConnection, StreamOwned};

/// The settings of a server with a certificate for 127.0.0.1.
pub(crate) struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// Wraps an accepted connection.
    pub(crate) fn wrap(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(self.0.clone()).expect("a TLS connection"), stream)
    }
}

/// Makes an authority in `folder`, and a certificate by it for a server called `name`, such as `IP:127.0.0.1` or
/// `DNS:store.test`: `ca.pem`, `ca.key`, `server.pem`, `key.pem`.
pub(crate) fn mint(folder: &Path, name: &str) {
    let script = "
        set -e
        curve='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $curve -keyout ca.key -out ca.pem -subj '/CN=test authority' -days 2
        openssl req $curve -keyout key.pem -out server.csr -subj '/CN=test server'
        printf 'subjectAltName=%s\\nbasicConstraints=CA:FALSE\\n' \"$0\" > ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out server.pem -days 2
    ";
    let made = Command::new("sh").args(["-c", script, name]).current_dir(folder).output().expect("run sh");
    assert!(made.status.success(), "openssl is needed: {}", String::from_utf8_lossy(&made.stderr));
}

/// Makes a certificate for a client, `client.pem` and `client.key`, by the authority that [`mint`] made in `folder`.
pub(crate) fn mint_client(folder: &Path) {
    let script = "
        set -e
        curve='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req $curve -keyout client.key -out client.csr -subj '/CN=test client'
        printf 'basicConstraints=CA:FALSE\\nextendedKeyUsage=clientAuth\\n' > client.ext
        openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile client.ext -out client.pem -days 2
        chmod 600 client.key
    ";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("run sh");
    assert!(made.status.success(), "openssl is needed: {}", String::from_utf8_lossy(&made.stderr));
}

/// A server with the certificate in `folder` that wants a certificate of its clients, by the same authority.
pub(crate) fn mutual(folder: &Path) -> TlsServer {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).expect("ca.pem")).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_client_cert_verifier(verifier.expect("a verifier"));
    TlsServer(Arc::new(with_certificate(config, folder)))
}

fn with_certificate(config: ConfigBuilder<ServerConfig, WantsServerCert>, folder: &Path) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).expect("server.pem");
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("key.pem");
    config.with_single_cert(vec![certificate], key).expect("certificate and key")
}

/// Makes an authority in `folder`; returns its certificate's file, and a server with a certificate from it.
pub(crate) fn authority(folder: &Path) -> (PathBuf, TlsServer) {
    mint(folder, "IP:127.0.0.1");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth();
    (folder.join("ca.pem"), TlsServer(Arc::new(with_certificate(config, folder))))
}
