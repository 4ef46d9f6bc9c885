//! Certificates of an authority of the operator's own.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error_class::Fault;

/// Characters in a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

/// Certificates as PEM that has nothing but them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates(Vec<String>);

impl Certificates {
    /// Reads the certificates in the file at `path`; what else is there is passed over, a private key above all.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let shown = path.display();
        let unread = |error| Fault::usage(format!("cannot read certificates from {shown}")).because(error);
        let none = || Fault::usage(format!("{shown} has no certificate in PEM"));
        Self::parse(&fs::read(path).map_err(unread)?).ok_or_else(none)
    }

    fn parse(pem: &[u8]) -> Option<Self> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
        (!found.is_empty()).then(|| Self(found.iter().map(|certificate| encode(certificate)).collect()))
    }

    /// Each of them, as PEM that ends with a line break.
    pub fn each(&self) -> &[String] {
        &self.0
    }

    /// All of them in one text.
    pub fn text(&self) -> String {
        self.0.concat()
    }
}

fn encode(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (at, digit) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text + "\n-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_taken() {
        let pem = "$(id)\n-----BEGIN CERTIFICATE-----\nAAECAwQFBgc=\n-----END CERTIFICATE-----\nrest\n\
                   -----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n";
        let found = Certificates::parse(pem.as_bytes()).unwrap();
        assert_eq!(found.text(), "-----BEGIN CERTIFICATE-----\nAAECAwQFBgc=\n-----END CERTIFICATE-----\n");
        assert_eq!(Certificates::parse(b"nothing"), None);
        assert!(encode(&[7; 60]).lines().all(|line| line.len() <= LINE));
    }
}
