//! Keys that say how to log in to a source's server. Every table that fetches over HTTP has them.

use std::path::{Path, PathBuf};

use url::Url;

use super::{AptSource, FilesSource, ImagesSource, OneOrMany, OsImageSource, SnapsSource, YumSource};
use crate::fetch::access::Scope;
use crate::formats::simplestreams::split_url;

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

/// A table of sources that may need a login.
pub(super) trait HasAccess {
    /// Its keys.
    fn access(&self) -> AccessKeys<'_>;

    /// The paths among them.
    fn access_paths(&mut self) -> impl Iterator<Item = &mut PathBuf>;
}

macro_rules! has_access {
    ($($source:ident $table:literal: $title:expr, $url:expr, $scope:path;)*) => {
        $(impl HasAccess for $source {
            fn access(&self) -> AccessKeys<'_> {
                let (title, url): (fn(&Self) -> String, fn(&Self) -> Option<Url>) = ($title, $url);
                let url = url(self);
                AccessKeys {
                    table: $table,
                    name: title(self),
                    scope: url.as_ref().map($scope),
                    has_userinfo: url.is_some_and(|url| !url.username().is_empty() || url.password().is_some()),
                    auth_files: &self.auth_file.0,
                    login: self.login.as_deref(),
                    secret_file: self.secret_file.as_deref(),
                    client_cert: self.client_cert.as_deref(),
                    client_key: self.client_key.as_deref(),
                }
            }

            fn access_paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
                let single = [&mut self.secret_file, &mut self.client_cert, &mut self.client_key];
                let OneOrMany(files) = &mut self.auth_file;
                files.iter_mut().chain(single.into_iter().flatten())
            }
        })*
    };
}

has_access! {
    AptSource "apt": |source| source.name.to_string(), |source| source.url.clone(), Scope::of_folder;
    YumSource "yum": |source| source.name.to_string(), |source| Some(source.url.clone()), Scope::of_folder;
    ImagesSource "images": |source| source.name.to_string(), |source| Some(split_url(&source.url).0), Scope::of_folder;
    OsImageSource "os-images": OsImageSource::title, |source| source.url.clone(), Scope::of_file;
    FilesSource "files": |source| source.name.to_string(), |source| source.url.clone(), Scope::of_file;
    SnapsSource "snaps": SnapsSource::title, |source| source.name.as_ref().map(|_| source.store_url.clone()), Scope::of_folder;
}

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
