//! `[[os-images]]`: an image of another operating system than Ubuntu, or one of one's own.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{OneOrMany, Place};
use crate::digest::Sha256;
use crate::formats::Invalid;
use crate::formats::os_image::{Filetype, OsImage, Via, check_together};

/// One image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OsImageSource {
    /// Its file.
    pub from: Option<PathBuf>,
    /// Its address.
    pub url: Option<Url>,
    /// Its digest; at an address it is all that says what is wanted.
    pub sha256: Option<Sha256>,
    /// A detached OpenPGP signature over it.
    pub signature: Option<Place>,
    /// Who must have made the signature.
    pub keyring: Option<PathBuf>,
    /// Such as `centos`.
    pub os: String,
    /// Such as `9`.
    pub release: String,
    /// Such as `amd64`.
    pub architecture: String,
    /// How it is packed.
    pub filetype: Filetype,
    /// For people.
    pub title: String,
    /// As its maker calls it. Versions are ordered as text.
    pub version: String,
    /// What a custom image is built on.
    pub base_image: Option<String>,
    /// The day on which its maker's support ends.
    pub support_eol: Option<String>,
    /// How MAAS comes by it.
    pub via: Option<Via>,
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

impl OsImageSource {
    /// What MAAS has to know of it.
    pub fn image(&self) -> OsImage {
        OsImage {
            base_image: self.base_image.clone(),
            filetype: self.filetype,
            os: self.os.clone(),
            release: self.release.clone(),
            support_eol: self.support_eol.clone(),
            title: self.title.clone(),
            via: self.via.unwrap_or_else(|| Via::of(&self.os)),
        }
    }

    /// What makes no sense in it.
    pub(super) fn contradiction(&self) -> Option<String> {
        let said = match (&self.from, &self.url, self.sha256) {
            (Some(_), None, _) => None,
            (None, Some(url), Some(_)) => super::place::unusable(url),
            (None, Some(_), None) => Some("with url it needs sha256: nothing else says what is to be fetched"),
            _ => Some("it needs exactly one of from and url"),
        };
        let signed = (self.signature.is_some() != self.keyring.is_some())
            .then_some("signature and keyring go together: it has only one of them");
        let bad = || self.image().check(&self.architecture, &self.version).err();
        said.or(signed).map(str::to_owned).or_else(|| bad().map(|bad| bad.to_string()))
    }

    /// What it is called in messages.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.os, self.release)
    }

    pub(super) fn anchor(&mut self, folder: &Path) {
        let paths = self.from.iter_mut().chain(&mut self.keyring);
        paths.chain(self.signature.iter_mut().filter_map(Place::path_mut)).for_each(|path| *path = folder.join(&*path));
    }
}

/// What makes no sense in all of them together.
pub(super) fn contradiction(sources: &[OsImageSource]) -> Option<Invalid> {
    let images: Vec<_> = sources.iter().map(|source| (source.image(), &*source.architecture)).collect();
    check_together(images.iter().map(|(image, architecture)| (image, *architecture))).err()
}
