//! `[[yum]]`: a repository of RPM packages.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::access::has_access;
use super::table::SourceTable;
use super::{MissingFiles, OneOrMany};
use crate::collection::Publish;
use crate::fetch::access::Scope;
use crate::kind::Kind;
use crate::label::Label;

/// One RPM repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct YumSource {
    /// Its name; the site pins upstream's keyring under it.
    pub name: Label,
    /// Its root: the folder that has `repodata`.
    pub url: Url,
    /// Who must have signed its `repomd.xml`; clients are given these keys for the packages too.
    pub keyring: Option<PathBuf>,
    /// Architectures, as rpm writes them; `noarch` is always carried. With none, all but sources are.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Whether of each name and architecture only the newest is carried; what module streams name is carried all the same.
    #[serde(default)]
    pub newest_only: bool,
    /// How it is published at the site.
    #[serde(default)]
    pub publish: Publish,
    /// The answer to packages that upstream lists and does not have.
    #[serde(default)]
    pub missing: MissingFiles,
    /// Take a repository that nobody signed. It is marked as without proof by upstream everywhere.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// Files of logins, in the form of apt's auth.conf.
    #[serde(default)]
    pub auth_file: OneOrMany<PathBuf>,
    /// The user name for the secret, which is a password then; without it, the secret is a bearer token.
    pub login: Option<String>,
    /// A file with the password or token for the URL, readable to few.
    pub secret_file: Option<PathBuf>,
    /// A PEM file with this client's certificate for https.
    pub client_cert: Option<PathBuf>,
    /// A PEM file with its key; without it, the key is in the certificate's file.
    pub client_key: Option<PathBuf>,
}

impl SourceTable for YumSource {
    fn kind(&self) -> Kind {
        Kind::Yum
    }

    fn title(&self) -> String {
        self.name.to_string()
    }

    fn name(&self) -> Option<&Label> {
        Some(&self.name)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        self.keyring.iter_mut().collect()
    }

    has_access!(YumSource, |source| Some(source.url.clone()), Scope::of_folder);

    fn contradiction(&self) -> Option<&'static str> {
        if self.publish == Publish::Reprepro {
            return Some("publish = \"reprepro\" is for [[apt]]: RPM repositories are re-indexed or verbatim");
        }
        match (self.keyring.is_some(), self.allow_unsigned) {
            (false, false) => Some(
                "it needs a keyring: upstream's signatures are never passed over; if nobody signs it, set allow-unsigned = true",
            ),
            (true, true) => Some("it has a keyring and allow-unsigned: one of them must go"),
            _ => None,
        }
    }
}
