//! Keys that say how to log in to a source's server. Every table that fetches over HTTP has them.

use std::path::{Path, PathBuf};

use crate::fetch::access::Scope;

/// The keys of one source.
#[derive(Clone, Debug)]
pub struct AccessKeys<'a> {
    /// The table, such as `apt`.
    pub table: &'static str,
    /// The source's name in messages.
    pub name: String,
    /// The URLs that `secret_file` and the certificate are for; `None` if the source has no URL of its own.
    pub scope: Option<Scope>,
    /// Set if the URL has a user name or a password.
    pub has_userinfo: bool,
    /// Files of logins in the form of apt's auth.conf.
    pub auth_files: &'a [PathBuf],
    /// The user name that goes with the secret.
    pub login: Option<&'a str>,
    /// A file with the password or token.
    pub secret_file: Option<&'a Path>,
    /// A PEM file with the client's certificate.
    pub client_cert: Option<&'a Path>,
    /// A PEM file with its key.
    pub client_key: Option<&'a Path>,
}

/// Implements the methods of `SourceTable` that say how to log in. It is given the table's type, the URL of a source, and the
/// scope of a secret for it.
macro_rules! has_access {
    ($table:ty, $url:expr, $scope:path) => {
        fn access(&self) -> Option<$crate::selection::AccessKeys<'_>> {
            let url: fn(&Self) -> Option<url::Url> = $url;
            let url = url(self);
            Some($crate::selection::AccessKeys {
                table: self.kind().as_str(),
                name: self.title(),
                scope: url.as_ref().map($scope),
                has_userinfo: url.is_some_and(|url| !url.username().is_empty() || url.password().is_some()),
                auth_files: &self.auth_file.0,
                login: self.login.as_deref(),
                secret_file: self.secret_file.as_deref(),
                client_cert: self.client_cert.as_deref(),
                client_key: self.client_key.as_deref(),
            })
        }

        fn access_paths(&mut self) -> Vec<&mut std::path::PathBuf> {
            let table: &mut $table = self;
            let single = [&mut table.secret_file, &mut table.client_cert, &mut table.client_key];
            table.auth_file.0.iter_mut().chain(single.into_iter().flatten()).collect()
        }
    };
}
pub(super) use has_access;

impl AccessKeys<'_> {
    /// Returns the first contradiction among them.
    pub fn contradiction(&self) -> Option<&'static str> {
        let is_unencrypted = self.scope.as_ref().is_some_and(Scope::is_unencrypted);
        match () {
            () if self.login.is_some() && self.secret_file.is_none() => {
                Some("login needs a secret-file with the password")
            }
            () if self.client_key.is_some() && self.client_cert.is_none() => Some("client-key needs a client-cert"),
            () if self.scope.is_none() && self.secret_file.is_some() => {
                Some("secret-file is for one URL: use auth-file, which names the server of each login")
            }
            () if self.scope.is_none() && self.client_cert.is_some() => Some(
                "client-cert is for one URL: set Acquire::https::HOST::SslCert in apt's configuration, which is read here too",
            ),
            () if self.has_userinfo && self.secret_file.is_some() => {
                Some("its url has a user name or password, and there is a secret-file: one of them must go")
            }
            () if self.client_cert.is_some() && is_unencrypted => Some("client-cert needs an https URL"),
            () if self
                .login
                .is_some_and(|login| login.is_empty() || login.contains(':') || login.contains(char::is_control)) =>
            {
                Some("login is not a user name: it is empty, or has a colon or a control character")
            }
            () => None,
        }
    }
}
