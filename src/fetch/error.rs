//! Errors of fetching.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::error_class::ErrorClass;
use crate::error_class::causes;
use crate::formats::signed_digest::SignedDigest;
use crate::storage::full_disk_error;

/// Why a file could not be fetched. Addresses are shown without user names and passwords.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot read certificates from {}: give a PEM file", path.display())]
    Certificates { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot use {} as a client certificate with its key: give PEM files, with a key that has no passphrase", path.display())]
    ClientCertificate { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot set up the HTTP client")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot fetch {url}: only http, https and file addresses (of this host) are known")]
    Address { url: String },
    #[error("no address is known for {}", path.display())]
    NoAddress { path: PathBuf },
    #[error("cannot reach {url}: check the network, the address and the proxy variables, then run again")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the certificate of {url} is not trusted: if it is your own authority's, give that as the CA file")]
    Untrusted { url: String, source: reqwest::Error },
    /// The server does not have the file (404 or 410).
    #[error("{url} does not exist: the upstream may be changing just now, so run again; otherwise check the address")]
    Missing { url: String },
    /// The server or the proxy refuses access (401, 403 or 407).
    #[error("{url} answers with status {status}: {advice}")]
    Denied { url: String, status: u16, advice: String },
    #[error(
        "the server of {url} does not accept this client over TLS: name its certificate with client-cert and client-key in the \
         selection, or as Acquire::https::HOST::SslCert and SslKey in apt's configuration"
    )]
    CertificateRefused { url: String, source: reqwest::Error },
    #[error("{url} answers with status {status}: check the access to it, or run again later")]
    Status { url: String, status: u16, retry_after: Option<Duration> },
    #[error("the redirects of {url} are not followed")]
    Redirect { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the transfer of {url} broke: run again to go on where it stopped")]
    Broken { url: String, source: reqwest::Error },
    #[error("{url} sent nothing for {} s: run again to go on where it stopped", after.as_secs_f32())]
    Stalled { url: String, after: Duration },
    #[error(
        "{url} sends {rate} bytes per second where {min_rate} is the least: use another mirror or allow a lower rate"
    )]
    TooSlow { url: String, rate: u64, min_rate: u64 },
    #[error("{url} sent another range than asked for")]
    WrongRange { url: String },
    #[error("{url} is larger than the {limit} bytes it may have; nothing of it was kept")]
    TooLarge { url: String, limit: u64 },
    #[error("the server of {url} does not say how large it is: fetch it by other means, and name the file with from")]
    NoLength { url: String },
    #[error("{url} has {got} bytes where {expected} are signed")]
    TooShort { url: String, expected: u64, got: u64 },
    #[error(
        "{url} has {got} where {expected} is signed; nothing of it was kept: \
         run again, and if it stays so use another mirror"
    )]
    WrongDigest { url: String, expected: Box<SignedDigest>, got: Box<SignedDigest> },
    #[error("no space left for {}: make room and run again to go on where it stopped", path.display())]
    NoSpace { path: PathBuf, source: io::Error },
    #[error("cannot read or write {}", path.display())]
    Disk { path: PathBuf, source: io::Error },
    #[error("gave up on {left} more files, since no upstream can be reached or gives access")]
    GaveUp { left: usize },
}

impl FetchError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Certificates { .. }
            | Self::ClientCertificate { .. }
            | Self::Address { .. }
            | Self::Denied { .. }
            | Self::CertificateRefused { .. } => ErrorClass::Usage,
            Self::Setup(_) | Self::NoAddress { .. } | Self::Disk { .. } => ErrorClass::Failed,
            Self::Unreachable { .. }
            | Self::Missing { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Broken { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. }
            | Self::WrongRange { .. }
            | Self::NoLength { .. }
            | Self::GaveUp { .. } => ErrorClass::UpstreamUnavailable,
            Self::Untrusted { .. } | Self::TooLarge { .. } | Self::TooShort { .. } | Self::WrongDigest { .. } => {
                ErrorClass::VerificationFailed
            }
            Self::NoSpace { .. } => ErrorClass::NoSpace,
        }
    }

    /// Returns whether the upstream has no such file, or another one: to ask again will not help soon.
    pub(crate) fn is_upstreams_fault(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::TooLarge { .. } | Self::TooShort { .. } | Self::WrongDigest { .. })
    }

    /// Whether the fault lies with this machine's disk, so that no other address can help.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Disk { .. })
    }

    /// An error of reading or writing the local file `path`.
    pub(super) fn disk(path: &Path, source: io::Error) -> Self {
        let source = full_disk_error(path, source);
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            _ => Self::Disk { path, source },
        }
    }

    /// An error of the HTTP client while it asked for `url`.
    pub(crate) fn network(url: &Url, source: reqwest::Error) -> Self {
        // The address within may be one that a redirect led to, with a token in it.
        let (url, source) = (shown(url), source.without_url());
        let tls = tls_error(&source);
        if let Some(rustls::Error::InvalidCertificate(_)) = tls {
            Self::Untrusted { url, source }
        } else if tls.is_some_and(refuses_client) {
            Self::CertificateRefused { url, source }
        } else if source.is_builder() {
            Self::Address { url }
        } else if source.is_connect() {
            Self::Unreachable { url, source }
        } else {
            Self::Broken { url, source }
        }
    }
}

/// The error of TLS down the chain of causes.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        // An io::Error hides what it wraps: its own source() is that of the wrapped error.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = match inner {
            Some(inner) => inner.downcast_ref::<rustls::Error>(),
            None => cause.downcast_ref::<rustls::Error>(),
        };
        if tls.is_some() {
            return tls;
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

/// Returns whether it is an alert by which servers refuse a client's certificate, or that there is none. Before TLS 1.3 the
/// latter is a `handshake_failure`.
fn refuses_client(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure
    )
}

/// `url` for messages: user name and password as `***`.
pub fn shown(url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return url.to_string();
    }
    let mut url = url.clone();
    // Both fail only for addresses that cannot have credentials, and those have none.
    let _ = url.set_password(None);
    let _ = url.set_username("***");
    url.to_string()
}

/// Everything that went wrong in one run of many files; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{} files could not be fetched: {}", errors.len(), listed(errors))]
pub struct FetchErrors {
    /// One error per file that failed, in the order in which they failed.
    pub errors: Vec<FetchError>,
}

/// How many errors a message lists.
const LISTED: usize = 20;

fn listed(errors: &[FetchError]) -> String {
    let mut texts: Vec<String> = errors.iter().take(LISTED).map(|error| causes(error).join(": ")).collect();
    if errors.len() > LISTED {
        texts.push(format!("and {} more", errors.len() - LISTED));
    }
    texts.join("; ")
}

impl FetchErrors {
    /// Returns the class of the gravest of the errors: forged bytes first, then a full disk, then the rest.
    pub fn class(&self) -> ErrorClass {
        let found = |class| self.errors.iter().any(|error| error.class() == class);
        [ErrorClass::VerificationFailed, ErrorClass::NoSpace, ErrorClass::Failed, ErrorClass::Usage]
            .into_iter()
            .find(|exit| found(*exit))
            .unwrap_or(ErrorClass::UpstreamUnavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        let url = |text: &str| shown(&Url::parse(text).unwrap());
        assert_eq!(url("https://me:secret@h.example/x"), "https://***@h.example/x");
        assert_eq!(url("https://token@h.example/x"), "https://***@h.example/x");
        assert_eq!(url("https://:secret@h.example/x"), "https://***@h.example/x");
        assert_eq!(url("https://h.example/x"), "https://h.example/x");
        assert_eq!(url("file:///tmp/x"), "file:///tmp/x");
    }

    #[test]
    fn the_gravest_error_gives_the_class() {
        let missing = || FetchError::Missing { url: "u".into() };
        let large = || FetchError::TooLarge { url: "u".into(), limit: 1 };
        let full = || FetchError::disk(Path::new("x"), io::ErrorKind::StorageFull.into());
        let class = |errors| FetchErrors { errors }.class();
        assert_eq!(class(vec![missing()]), ErrorClass::UpstreamUnavailable);
        assert_eq!(class(vec![missing(), full()]), ErrorClass::NoSpace);
        assert_eq!(class(vec![missing(), full(), large()]), ErrorClass::VerificationFailed);
    }
}
