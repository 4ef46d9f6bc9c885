//! The options of a command that fetches from one URL: how to log in to its server.

use std::path::PathBuf;

use url::Url;

use super::error::Failure;
use crate::collect::access::of_keys;
use crate::fetch::access::{Access, Scope};
use crate::selection::AccessKeys;

#[derive(Debug, clap::Args)]
pub(super) struct AccessOptions {
    /// Logins for servers, in the form of apt's auth.conf; can be given several times [default: the host's own]
    #[arg(long, value_name = "FILE")]
    auth_file: Vec<PathBuf>,
    /// The first line of FILE is the password of --login, or else a bearer token
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The user name for --secret-file
    #[arg(long, value_name = "NAME", requires = "secret_file")]
    login: Option<String>,
    /// This client's certificate for https (PEM)
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its key, if it is not in the same file (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl AccessOptions {
    /// The credentials for all below `root`. Says in `notes` what is not as safe as it could be.
    pub(super) fn access(&self, root: &Url, notes: &mut Vec<String>) -> Result<Access, Failure> {
        let keys = AccessKeys {
            table: "images",
            name: root.host_str().unwrap_or_default().to_owned(),
            scope: Some(Scope::of_folder(root)),
            has_userinfo: !root.username().is_empty() || root.password().is_some(),
            auth_files: &self.auth_file,
            login: self.login.as_deref(),
            secret_file: self.secret_file.as_deref(),
            client_cert: self.client_cert.as_deref(),
            client_key: self.client_key.as_deref(),
        };
        match keys.contradiction() {
            Some(reason) => Err(Failure::usage(reason.to_owned())),
            None => Ok(of_keys(&keys, notes)?),
        }
    }
}
