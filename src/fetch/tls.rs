//! TLS settings of a connection: those of apt's configuration for its host (apt-transport-https(1)), and client certificates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};
use url::Url;
use zeroize::Zeroizing;

use super::error::FetchError;

/// The settings of a TLS connection that may differ from server to server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsSettings {
    /// PEM file of authorities to trust besides the platform's.
    pub authorities: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<ClientCertificate>,
    /// The checks of the server's certificate.
    pub verification: Verification,
}

/// A client's certificate and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The key; `None` if it is in the certificate's file.
    pub key: Option<PathBuf>,
}

/// The checks of a server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// Its authority, its dates and its name.
    #[default]
    Full,
    /// All but its name (`Verify-Host "false"`).
    WithoutName,
    /// Nothing (`Verify-Peer "false"`).
    Nothing,
}

/// Options of apt's configuration below `Acquire::http` and `Acquire::https`, by their names in lower case.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions(BTreeMap<String, String>);

impl TlsOptions {
    /// Reads lines of the form `NAME=VALUE`, as `apt-config dump --format '%f=%v%n'` prints them.
    pub fn parse(dump: &str) -> Self {
        let option = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let name = name.to_ascii_lowercase();
            let counts = (name.starts_with("acquire::https::") || name.starts_with("acquire::http::"))
                && ["::cainfo", "::sslcert", "::sslkey", "::verify-peer", "::verify-host"]
                    .iter()
                    .any(|end| name.ends_with(end));
            (counts && !value.is_empty()).then(|| (name, value.to_owned()))
        };
        Self(dump.lines().filter_map(option).collect())
    }

    /// An option for a host: apt's own order, from the most special to the most general (`ConfigFind` of its methods).
    fn find(&self, host: &str, option: &str) -> Option<&str> {
        let host = host.to_ascii_lowercase();
        let names = [format!("https::{host}"), format!("http::{host}"), "https".to_owned(), "http".to_owned()];
        names.iter().find_map(|name| self.0.get(&format!("acquire::{name}::{option}"))).map(String::as_str)
    }

    /// The settings for a connection to the server of `url`.
    pub(super) fn settings(&self, url: &Url) -> TlsSettings {
        let Some(host) = url.host_str().filter(|_| url.scheme() == "https") else { return TlsSettings::default() };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let path = |option| self.find(host, option).map(PathBuf::from);
        let is_off = |option| self.find(host, option).is_some_and(is_false);
        TlsSettings {
            authorities: path("cainfo"),
            certificate: path("sslcert").map(|certificate| ClientCertificate { certificate, key: path("sslkey") }),
            verification: match (is_off("verify-peer"), is_off("verify-host")) {
                (true, _) => Verification::Nothing,
                (false, true) => Verification::WithoutName,
                (false, false) => Verification::Full,
            },
        }
    }
}

/// Returns whether apt reads the value as false (`StringToBool`).
fn is_false(value: &str) -> bool {
    ["0", "no", "false", "without", "off", "disable"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

impl TlsSettings {
    /// Applies them to a client, given the certificates that are trusted in any case.
    pub(super) fn apply(&self, builder: ClientBuilder, extra: &[Certificate]) -> Result<ClientBuilder, FetchError> {
        let own = self.authorities.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
        let mut builder = builder.tls_certs_merge([own, extra.to_vec()].concat());
        if let Some(certificate) = &self.certificate {
            builder = builder.identity(certificate.read()?);
        }
        Ok(match self.verification {
            Verification::Full => builder,
            Verification::WithoutName => builder.tls_danger_accept_invalid_hostnames(true),
            Verification::Nothing => builder.tls_danger_accept_invalid_certs(true),
        })
    }
}

impl TlsSettings {
    /// The error of a client that cannot be set up with them. Most often the key is another certificate's.
    pub(super) fn unusable(&self, source: reqwest::Error) -> FetchError {
        match &self.certificate {
            Some(own) => FetchError::ClientCertificate {
                path: own.key.as_ref().unwrap_or(&own.certificate).clone(),
                source: source.into(),
            },
            None => FetchError::Setup(source.into()),
        }
    }
}

impl ClientCertificate {
    fn read(&self) -> Result<Identity, FetchError> {
        let failed = |path: &PathBuf, source| FetchError::ClientCertificate { path: path.clone(), source };
        let read = |path: &PathBuf| std::fs::read(path).map_err(|source| failed(path, source.into()));
        let mut pem = Zeroizing::new(read(&self.certificate)?);
        if let Some(key) = &self.key {
            pem.push(b'\n');
            pem.extend_from_slice(&Zeroizing::new(read(key)?));
        }
        Identity::from_pem(&pem).map_err(|source| failed(self.key.as_ref().unwrap_or(&self.certificate), source.into()))
    }
}

/// The certificates in a PEM file; an error if there is none.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, FetchError> {
    let unreadable = |source| FetchError::Certificates { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(|source| unreadable(source.into()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|source| unreadable(source.into()))?;
    if found.is_empty() {
        return Err(unreadable("there is no certificate in it".into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_host_go_before_those_of_all() {
        let options = TlsOptions::parse(
            "Acquire::https::CAInfo=/all.pem\nAcquire::https::a.example::CaInfo=/a.pem\nacquire::HTTP::b.example::CaInfo=/b.pem\n\
             Acquire::https::a.example::SslCert=/c.pem\nAcquire::https::a.example::SslKey=/k.pem\nAcquire::https::SslKey=\n\
             Acquire::https::c.example::Verify-Peer=Off\nAcquire::https::d.example::Verify-Host=false\nAPT::Get=x\n",
        );
        let settings = |text: &str| options.settings(&Url::parse(text).unwrap());
        let authorities = |path: &str| Some(PathBuf::from(path));
        let a = settings("https://A.example:8443/x");
        assert_eq!(a.authorities, authorities("/a.pem"));
        let certificate = ClientCertificate { certificate: "/c.pem".into(), key: Some("/k.pem".into()) };
        assert_eq!(a.certificate, Some(certificate));
        assert_eq!(settings("https://b.example/").authorities, authorities("/b.pem"));
        assert_eq!(settings("https://c.example/").verification, Verification::Nothing);
        assert_eq!(settings("https://d.example/").verification, Verification::WithoutName);
        assert_eq!(settings("https://e.example/").certificate, None);
        assert_eq!(settings("http://a.example/"), TlsSettings::default());
    }

    #[test]
    fn values_are_false_as_for_apt() {
        assert!(["false", "No", "0", "without", "OFF", "disable"].into_iter().all(is_false));
        assert!(!["true", "yes", "1", "maybe", ""].into_iter().any(is_false));
    }
}
