//! Credentials and TLS settings of requests: one store for all kinds of content, asked for each URL that is requested.
//!
//! Each hop of a redirect is a URL of its own. So the credentials of one host never reach another, unless they are the other's
//! own. Their order is apt's: those in the URL, then the secrets of the selection, then files of logins.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use url::{Host, Url};

use super::tls::{ClientCertificate, TlsOptions, TlsSettings};
use crate::formats::apt::auth_conf::{AuthConf, Login, LoginLookup, LoginTarget};
use crate::secret::Secret;

/// Credentials and TLS settings by URL. The default has none: only those in a URL itself are used.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Secrets that a selection names.
    pub grants: Vec<Grant>,
    /// Files of logins, in the order in which they are asked.
    pub login_files: Vec<LoginFile>,
    /// Client certificates that a selection names.
    pub certificates: Vec<(Scope, ClientCertificate)>,
    /// The TLS settings of the host's apt.
    pub tls: TlsOptions,
}

/// A file of logins.
#[derive(Clone, Debug)]
pub struct LoginFile {
    /// Its path.
    pub path: PathBuf,
    /// Its logins, or the reason why it cannot be read.
    pub content: Result<AuthConf, String>,
}

/// A secret for all URLs of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The URLs.
    pub scope: Scope,
    /// The user name; without one the secret is a bearer token (RFC 6750).
    pub user: Option<String>,
    /// The password or token.
    pub secret: Secret,
    /// The file that holds it.
    pub path: PathBuf,
}

/// All URLs of one server at or below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// Ends with a slash.
    path: String,
}

impl Scope {
    /// The folder `url`, and all below it.
    pub fn of_folder(url: &Url) -> Self {
        Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default(),
            path: format!("{}/", url.path().trim_end_matches('/')),
        }
    }

    /// The folder of the file `url`, and all below it.
    pub fn of_file(url: &Url) -> Self {
        let mut folder = url.clone();
        folder.set_path(url.path().rsplit_once('/').map_or("", |(folder, _)| folder));
        Self::of_folder(&folder)
    }

    /// The whole server.
    pub fn of_server(url: &Url) -> Self {
        Self { path: "/".to_owned(), ..Self::of_folder(url) }
    }

    /// The server that the scope is of.
    pub fn server(&self) -> Self {
        Self { path: "/".to_owned(), ..self.clone() }
    }

    /// Returns whether whoever listens on the way can read what is sent.
    pub fn is_unencrypted(&self) -> bool {
        self.scheme != "https"
    }

    fn has(&self, url: &Url) -> bool {
        let path = format!("{}/", url.path());
        Self::of_server(url) == self.server() && path.starts_with(&self.path)
    }
}

/// The `Authorization` of a request, and its origin for messages.
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    origin: CredentialOrigin,
}

enum CredentialOrigin {
    Url,
    SecretFile(PathBuf),
    LoginFile(PathBuf),
}

impl Access {
    /// The credentials for a request to `url`.
    pub(super) fn authorization(&self, url: &Url) -> Option<Authorization> {
        if !url.username().is_empty() || url.password().is_some() {
            let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
            let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
            return basic(&user, &password, CredentialOrigin::Url);
        }
        let grant = self.grants.iter().filter(|grant| grant.scope.has(url));
        if let Some(grant) = grant.max_by_key(|grant| grant.scope.path.len()) {
            let origin = CredentialOrigin::SecretFile(grant.path.clone());
            return match &grant.user {
                Some(user) => basic(user.as_bytes(), grant.secret.expose(), origin),
                None => sensitive(&[b"Bearer ", grant.secret.expose()].concat(), origin),
            };
        }
        self.login_files.iter().find_map(|file| match file.lookup(url) {
            LoginLookup::Found(Login { user, password }) => {
                basic(user.expose(), password.expose(), CredentialOrigin::LoginFile(file.path.clone()))
            }
            LoginLookup::Unencrypted | LoginLookup::Nothing => None,
        })
    }

    /// The TLS settings for a connection to the server of `url`.
    pub(super) fn tls(&self, url: &Url) -> TlsSettings {
        let settings = self.tls.settings(url);
        let server = Scope::of_server(url);
        match self.certificates.iter().find(|(scope, _)| *scope == server) {
            Some((_, certificate)) => TlsSettings { certificate: Some(certificate.clone()), ..settings },
            None => settings,
        }
    }

    /// Advice on a server that refuses access to `url`: the files that were looked at, and the next step.
    pub(super) fn advice(&self, url: &Url, status: StatusCode) -> String {
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return "the proxy wants a login: put it into the proxy's address, as in \
                    http_proxy=http://NAME:PASSWORD@PROXY:3128"
                .to_owned();
        }
        match self.authorization(url).map(|authorization| authorization.origin) {
            Some(CredentialOrigin::Url) => {
                "it does not accept the name and password in the address: correct them".to_owned()
            }
            Some(CredentialOrigin::SecretFile(path)) => {
                format!("it does not accept the secret in {}: write the right one into that file", path.display())
            }
            Some(CredentialOrigin::LoginFile(path)) => {
                let machine = machine(url);
                format!("it does not accept the login for {machine} in {}: correct that file", path.display())
            }
            None => self.missing_login(url),
        }
    }

    fn missing_login(&self, url: &Url) -> String {
        let mut text = match self.login_files.is_empty() {
            true => "no login is known for it".to_owned(),
            false => {
                let paths: Vec<String> = self.login_files.iter().map(|file| file.path.display().to_string()).collect();
                format!("no login for it is in {}", paths.join(", "))
            }
        };
        for file in &self.login_files {
            let path = file.path.display();
            match (&file.content, file.lookup(url)) {
                (Err(reason), _) => {
                    text += &format!("; {path} cannot be read ({reason}): run as a user who can read it")
                }
                (Ok(_), LoginLookup::Unencrypted) => {
                    text += &format!(
                        "; {path} has one for https alone: write {} there to send it unencrypted",
                        machine(url)
                    );
                }
                (Ok(_), _) => {}
            }
        }
        let machine = machine(url);
        text + &format!(
            ": add the line `machine {machine} login NAME password PASSWORD` to /etc/apt/auth.conf.d/gapferry.conf, or name \
             an auth-file or a secret-file in the selection (docs/selection.md)"
        )
    }
}

/// The server of `url` as a file of logins names it: without a scheme that means https alone.
fn machine(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = if url.scheme() == "https" { String::new() } else { format!("{}://", url.scheme()) };
    format!("{scheme}{host}{port}")
}

impl LoginFile {
    /// The login for `url`. A URL has no port of its own where it names the scheme's usual one, so both forms are tried.
    fn lookup(&self, url: &Url) -> LoginLookup {
        let Ok(content) = &self.content else { return LoginLookup::Nothing };
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return LoginLookup::Nothing,
        };
        let target = LoginTarget { scheme: url.scheme(), host: &host, port: url.port(), path: url.path() };
        match content.login(target) {
            LoginLookup::Nothing => content.login(LoginTarget { port: url.port_or_known_default(), ..target }),
            found => found,
        }
    }

    /// A file of logins that the host's apt reads. If it cannot be read, that is said where a login is missing.
    pub fn of_apt(path: &Path) -> Self {
        let content = std::fs::read(path).map(zeroize::Zeroizing::new);
        let content = content.map(|text| AuthConf::parse(&text)).map_err(|error| error.to_string());
        Self { path: path.to_owned(), content }
    }
}

/// Basic credentials (RFC 7617).
fn basic(user: &[u8], password: &[u8], origin: CredentialOrigin) -> Option<Authorization> {
    let pair = zeroize::Zeroizing::new([user, b":", password].concat());
    let text = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
    sensitive(text.as_bytes(), origin)
}

/// Returns `None` if no header can have this value.
fn sensitive(value: &[u8], origin: CredentialOrigin) -> Option<Authorization> {
    let mut header = HeaderValue::from_bytes(value).ok()?;
    header.set_sensitive(true);
    Some(Authorization { header, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn header(access: &Access, text: &str) -> Option<String> {
        let value = access.authorization(&url(text))?.header;
        assert!(value.is_sensitive());
        let text = value.to_str().unwrap().to_owned();
        match text.strip_prefix("Basic ") {
            Some(encoded) => Some(String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()),
            None => Some(text),
        }
    }

    fn grant(scope: &str, user: Option<&str>, secret: &str) -> Grant {
        let (scope, user) = (Scope::of_folder(&url(scope)), user.map(str::to_owned));
        Grant { scope, user, secret: Secret::new(secret), path: "/token".into() }
    }

    fn file(text: &str) -> LoginFile {
        LoginFile { path: "/auth.conf".into(), content: Ok(AuthConf::parse(text.as_bytes())) }
    }

    #[test]
    fn a_secret_stays_within_its_server_and_folder() {
        let access =
            Access { grants: vec![grant("https://h.example/infra/ubuntu", Some("bearer"), "t")], ..Access::default() };
        for inside in [
            "https://h.example/infra/ubuntu",
            "https://h.example/infra/ubuntu/",
            "https://h.example/infra/ubuntu/dists/x",
            "https://h.example:443/infra/ubuntu/a",
        ] {
            assert_eq!(header(&access, inside).as_deref(), Some("bearer:t"), "{inside}");
        }
        for outside in [
            "https://h.example/infra/ubuntu2",
            "https://h.example/infra/",
            "https://h.example/infra/ubuntu/../../apps",
            "https://h.example/",
            "http://h.example/infra/ubuntu/a",
            "https://h.example:444/infra/ubuntu/a",
            "https://g.h.example/infra/ubuntu/a",
            "https://h.example.evil/infra/ubuntu/a",
        ] {
            assert_eq!(header(&access, outside), None, "{outside}");
        }
    }

    #[test]
    fn the_nearest_credentials_count() {
        let access = Access {
            grants: vec![grant("https://h.example/", None, "wide"), grant("https://h.example/a", None, "narrow")],
            login_files: vec![
                file("machine h.example login one password 1 machine other.example login three password 3"),
                file("machine other.example login two password 2 machine https://[::1] login no"),
            ],
            ..Access::default()
        };
        for (text, expected) in [
            ("https://me:p%40ss@h.example/a/b", "me:p@ss"),
            ("https://tok@h.example/a/b", "tok:"),
            ("https://h.example/a/b", "Bearer narrow"),
            ("https://h.example/b", "Bearer wide"),
            ("https://other.example/b", "three:3"),
        ] {
            assert_eq!(header(&access, text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(header(&access, "https://third.example/b"), None);
        let port = Access { login_files: vec![file("machine h.example:443 login u password p")], ..Access::default() };
        assert_eq!(header(&port, "https://h.example:443/x").as_deref(), Some("u:p"));
    }

    #[test]
    fn advice_names_the_file_and_the_next_step() {
        let unreadable = LoginFile { path: "/private".into(), content: Err("Permission denied".into()) };
        let access = Access {
            grants: vec![grant("https://h.example/a", None, "hush")],
            login_files: vec![file("machine i.example login me password hush"), unreadable],
            ..Access::default()
        };
        let advice = |text: &str, status| access.advice(&url(text), status);
        for (text, words) in [
            ("https://h.example/a/b", &["the secret in /token"][..]),
            ("https://i.example/b", &["the login for i.example in /auth.conf"]),
            ("http://i.example:81/b", &["/auth.conf has one for https alone: write http://i.example:81 there"]),
            (
                "https://j.example/b",
                &["in /auth.conf, /private", "Permission denied", "`machine j.example login NAME password PASSWORD`"],
            ),
            ("https://me:hush@h.example/", &["in the address"]),
        ] {
            let advice = advice(text, StatusCode::UNAUTHORIZED);
            assert!(words.iter().all(|word| advice.contains(word)) && !advice.contains("hush"), "{text}: {advice}");
        }
        let proxy = advice("https://h.example/a", StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        assert!(proxy.contains("http_proxy"), "{proxy}");
        assert!(!format!("{access:?}").contains("hush"));
    }
}
