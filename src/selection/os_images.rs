//! `[[os-images]]`: an image of another operating system than Ubuntu, or one of one's own.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::access::has_access;
use super::placed::{Placed, PlacedTable};
use super::table::SourceTable;
use super::{FilePlace, OneOrMany, Place};
use crate::digest::Sha256;
use crate::fetch::access::Scope;
use crate::formats::Invalid;
use crate::formats::os_image::{Filetype, OsImage, Via, check_together};
use crate::kind::Kind;
use crate::label::Label;

/// One image.
pub type OsImageSource = Placed<OsImageTable>;

/// The place of an image, and of the signature over it.
#[derive(Clone, Debug)]
pub struct OsImagePlace {
    /// The image's place.
    pub file: FilePlace,
    /// The signature; `None` if nobody signed it.
    pub signature: Option<ImageSignature>,
}

/// A detached OpenPGP signature over an image.
#[derive(Clone, Debug)]
pub struct ImageSignature {
    /// The signature's place.
    pub place: Place,
    /// The keys of which one must have made it.
    pub keyring: PathBuf,
}

/// `[[os-images]]` as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OsImageTable {
    /// Its file.
    from: Option<PathBuf>,
    /// Its address.
    url: Option<Url>,
    /// Its digest; at an address it is all that says what is wanted.
    sha256: Option<Sha256>,
    /// A detached OpenPGP signature over it.
    signature: Option<Place>,
    /// Who must have made the signature.
    keyring: Option<PathBuf>,
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

impl OsImageTable {
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
}

impl PlacedTable for OsImageTable {
    type Place = OsImagePlace;

    const KIND: Kind = Kind::OsImages;

    fn title(&self) -> String {
        format!("{}/{}", self.os, self.release)
    }

    fn take_place(&mut self) -> Result<OsImagePlace, String> {
        let file = FilePlace::new(self.from.take(), self.url.take(), self.sha256.take())?;
        let signature = match (self.signature.take(), self.keyring.take()) {
            (Some(place), Some(keyring)) => Some(ImageSignature { place, keyring }),
            (None, None) => None,
            _ => return Err("signature and keyring go together: it has only one of them".to_owned()),
        };
        self.image().check(&self.architecture, &self.version).map_err(|bad| bad.to_string())?;
        Ok(OsImagePlace { file, signature })
    }

    fn paths_of(place: &mut OsImagePlace) -> Vec<&mut PathBuf> {
        let signature = place.signature.iter_mut();
        let of_signature = signature
            .flat_map(|signature| [Some(&mut signature.keyring), signature.place.path_mut()].into_iter().flatten());
        place.file.path_mut().into_iter().chain(of_signature).collect()
    }
}

impl SourceTable for OsImageSource {
    fn kind(&self) -> Kind {
        OsImageTable::KIND
    }

    fn title(&self) -> String {
        PlacedTable::title(&**self)
    }

    fn name(&self) -> Option<&Label> {
        None
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        self.place_paths()
    }

    has_access!(OsImageTable, |source| source.place.file.url().cloned(), Scope::of_file);
}

/// What makes no sense in all of them together.
pub(super) fn contradiction(sources: &[OsImageSource]) -> Option<Invalid> {
    let images: Vec<_> = sources.iter().map(|source| (source.image(), &*source.architecture)).collect();
    check_together(images.iter().map(|(image, architecture)| (image, *architecture))).err()
}
