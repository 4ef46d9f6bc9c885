//! One change of a MAAS, in words and as a request.

use std::collections::BTreeSet;
use std::fmt;

use super::Form;
use super::wanted::{RepositoryKind, Setting, WantedImage, WantedRepository, WantedSource, WantedUpload};

/// One change. They are carried out in the order of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set a setting.
    Set {
        /// Its name.
        name: String,
        /// Its value.
        value: Setting,
    },
    /// Add a boot source.
    AddSource {
        /// What it is to be.
        source: WantedSource,
        /// The name that it gets; `None` if MAAS has no names for sources.
        name: Option<String>,
    },
    /// Let a boot source be another, or have another keyring.
    UpdateSource {
        /// Its number.
        id: u64,
        /// Where it is now.
        was: String,
        /// What it is to be.
        source: WantedSource,
        /// The name that it gets; `None` if MAAS has no names for sources.
        name: Option<String>,
    },
    /// Disable a boot source that is out of reach.
    DisableSource {
        /// Its number.
        id: u64,
        /// Where it is.
        url: String,
        /// A setting of it that stays.
        skip_keyring_verification: bool,
        /// The keyring that MAAS holds for it; `None` if that is a file.
        keyring: Option<Vec<u8>>,
    },
    /// Delete a boot source that is out of reach, where it cannot be disabled.
    DeleteSource {
        /// Its number.
        id: u64,
        /// Where it is.
        url: String,
    },
    /// Add an archive.
    AddRepository {
        /// What it is to be.
        repository: WantedRepository,
    },
    /// Change an archive.
    UpdateRepository {
        /// Its number.
        id: u64,
        /// Its architectures, which stay where it is built in.
        arches: Vec<String>,
        /// Whether source packages are left out.
        disable_sources: bool,
        /// What it is to be.
        repository: WantedRepository,
    },
    /// Delete an archive that an earlier run has added.
    DeleteRepository {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
    },
    /// Import more of a boot source.
    AddSelection {
        /// Where the boot source is.
        source_url: String,
        /// What.
        selection: Select,
    },
    /// Import something else of a boot source.
    UpdateSelection {
        /// Where the boot source is.
        source_url: String,
        /// Its number.
        id: u64,
        /// What.
        selection: Select,
    },
    /// Import less of a release, which MAAS takes only for a selection that is made anew.
    ReplaceSelection {
        /// The address of the boot source.
        source_url: String,
        /// Its number.
        id: u64,
        /// What.
        selection: Select,
    },
    /// Import the images, or wait for an import that is under way.
    Import {
        /// The images that MAAS does not have in their newest version.
        missing: BTreeSet<WantedImage>,
        /// Whether an import is under way.
        running: bool,
    },
    /// Upload an image.
    Upload {
        /// The image.
        upload: WantedUpload,
        /// Whether MAAS has another of this name.
        again: bool,
    },
    /// Import less of a boot source.
    DeleteSelection {
        /// Where the boot source is.
        source_url: String,
        /// Its number.
        id: u64,
        /// Operating system and release.
        what: String,
    },
}

/// What is to be imported of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// Operating system.
    pub os: String,
    /// Release.
    pub release: String,
    /// Architectures.
    pub arches: BTreeSet<String>,
}

impl Change {
    /// What kind of change it is, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Set { .. } => "set",
            Self::AddSource { .. } => "add-boot-source",
            Self::UpdateSource { .. } => "update-boot-source",
            Self::DisableSource { .. } => "disable-boot-source",
            Self::DeleteSource { .. } => "delete-boot-source",
            Self::AddRepository { .. } => "add-package-repository",
            Self::UpdateRepository { .. } => "update-package-repository",
            Self::DeleteRepository { .. } => "delete-package-repository",
            Self::AddSelection { .. } => "add-selection",
            Self::UpdateSelection { .. } => "update-selection",
            Self::ReplaceSelection { .. } => "replace-selection",
            Self::Import { .. } => "import",
            Self::Upload { .. } => "upload",
            Self::DeleteSelection { .. } => "delete-selection",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { name, value } => write!(f, "set {name} to {value}"),
            Self::AddSource { source, .. } => write!(f, "add the boot source {} with its keyring", source.url),
            Self::UpdateSource { was, source, name, .. }
                if was.trim_end_matches('/') == source.url.trim_end_matches('/') =>
            {
                let name = name.as_ref().map(|name| format!(", the name {name}")).unwrap_or_default();
                write!(f, "give the boot source {} its keyring{name}, and enable it", source.url)
            }
            Self::UpdateSource { was, source, .. } => {
                write!(f, "replace the boot source {was} by {} with its keyring", source.url)
            }
            Self::DisableSource { url, .. } => write!(f, "disable the boot source {url}"),
            Self::DeleteSource { url, .. } => write!(f, "delete the boot source {url}"),
            Self::AddRepository { repository } => {
                write!(f, "add the package repository {} at {} with its key", repository.name, repository.url)
            }
            Self::UpdateRepository { repository, .. } => {
                write!(f, "set the package repository {} to {} with its key", repository.name, repository.url)?;
                match &repository.kind {
                    RepositoryKind::BuiltIn { disabled_pockets, disabled_components } => {
                        let off: Vec<&str> =
                            disabled_pockets.iter().chain(disabled_components).map(String::as_str).collect();
                        if off.is_empty() { Ok(()) } else { write!(f, ", without {}", off.join(", ")) }
                    }
                    RepositoryKind::Additional { .. } => Ok(()),
                }
            }
            Self::DeleteRepository { name, .. } => write!(f, "delete the package repository {name}"),
            Self::AddSelection { selection, source_url } => write!(f, "select {selection} of {source_url}"),
            Self::UpdateSelection { selection, source_url, .. } => {
                write!(f, "change a selection to {selection} of {source_url}")
            }
            Self::ReplaceSelection { selection, source_url, .. } => {
                write!(
                    f,
                    "make a selection of {source_url} anew as {selection}, for which MAAS imports its images again"
                )
            }
            Self::Import { missing, running } => {
                let verb = if *running { "wait for the import of" } else { "import" };
                write!(f, "{verb} {}", missing.iter().map(WantedImage::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Upload { upload, again: false } => write!(f, "upload {upload}"),
            Self::Upload { upload, again: true } => {
                write!(f, "upload {upload} again, since MAAS has another or a part")
            }
            Self::DeleteSelection { what, source_url, .. } => {
                write!(f, "drop the selection {what} of {source_url}, which is not published")
            }
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arches: Vec<&str> = self.arches.iter().map(String::as_str).collect();
        write!(f, "{}/{} for {}", self.os, self.release, arches.join(", "))
    }
}

impl WantedSource {
    /// Returns the fields of a boot source. Of file and data exactly one may be set. With the name come the other fields that MAAS
    /// has since 3.8; `priority` is left to MAAS, which gives a new source the highest and keeps that of an old one.
    pub(super) fn form(&self, name: Option<&str>) -> Form {
        let form = Form::new().text("url", &self.url).text("keyring_filename", "").file("keyring_data", &self.keyring);
        match name {
            Some(name) => form.text("name", name).text("enabled", "true").text(SKIP_VERIFICATION, "false"),
            None => form,
        }
    }
}

/// A switch of boot sources. MAAS takes a switch that is left out for off.
pub(super) const SKIP_VERIFICATION: &str = "skip_keyring_verification";
/// A switch of archives.
pub(super) const DISABLE_SOURCES: &str = "disable_sources";

/// Returns the fields that disable a boot source, which MAAS can since 3.8, but for [`SKIP_VERIFICATION`]. MAAS answers with
/// status 500 if it holds the keyring and does not get it again.
pub(super) fn disabling(keyring: Option<&[u8]>) -> Form {
    let form = Form::new().text("enabled", "false");
    match keyring {
        Some(keyring) => form.text("keyring_filename", "").file("keyring_data", keyring),
        None => form,
    }
}

impl Select {
    /// The fields of a selection.
    pub(super) fn form(&self) -> Form {
        let form = Form::new().text("os", &self.os).text("release", &self.release).list("arches", &self.arches);
        form.text("subarches", "*").text("labels", "*")
    }
}

impl WantedUpload {
    /// The fields of an image that is about to be uploaded.
    pub(super) fn form(&self) -> Form {
        let form = Form::new().text("name", &self.name).text("architecture", &self.architecture);
        let form = form.text("sha256", &self.sha256.to_hex()).text("size", &self.size.to_string());
        let form = form.text("title", &self.title).text("filetype", &self.filetype);
        // MAAS takes a base for custom images alone.
        self.base_image.iter().fold(form, |form, base| form.text("base_image", base))
    }
}

impl WantedRepository {
    /// Returns the fields of an archive but for [`DISABLE_SOURCES`]. All are sent, since MAAS takes a switch that is left out for
    /// off, and refuses to switch off what is built in.
    pub(super) fn form(&self, own_arches: &[String]) -> Form {
        let form = Form::new().text("name", &self.name).text("url", &self.url).text("key", &self.key);
        let form = form.text("enabled", "true");
        // An empty value is how MAAS is told of an empty list.
        let cleared = |form: Form, name: &str, values: &BTreeSet<String>| match values.is_empty() {
            true => form.text(name, ""),
            false => form.list(name, values),
        };
        match &self.kind {
            RepositoryKind::BuiltIn { disabled_pockets, disabled_components } => {
                let form = cleared(form, "disabled_pockets", disabled_pockets);
                cleared(form, "disabled_components", disabled_components).list("arches", own_arches)
            }
            RepositoryKind::Additional { distributions, components, arches } => {
                form.list("distributions", distributions).list("components", components).list("arches", arches)
            }
        }
    }
}
