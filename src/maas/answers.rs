//! What MAAS's API says, as far as it is of use here. Fields that only newer versions have are optional.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

/// A boot source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct BootSource {
    /// Its number.
    pub id: u64,
    /// Where the stream is. MAAS 3.8 takes a slash at the end away.
    pub url: String,
    /// Its name; only from 3.8 on. A source that is made without one is called by its address.
    #[serde(default)]
    pub name: Option<String>,
    /// The keyring as a file on MAAS's machine; empty if it has [`Self::keyring_data`].
    #[serde(default, deserialize_with = "or_default")]
    pub keyring_filename: String,
    /// The keyring in base64.
    #[serde(default, deserialize_with = "or_default")]
    pub keyring_data: String,
    /// Whether it is read; only from 3.8 on.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Whether signatures are passed over; only from 3.8 on.
    #[serde(default)]
    pub skip_keyring_verification: Option<bool>,
    /// What is imported from it; asked for by itself.
    #[serde(skip)]
    pub selections: Vec<BootSelection>,
}

/// What is imported from a boot source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct BootSelection {
    /// Its number.
    pub id: u64,
    /// Operating system.
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    /// Release.
    #[serde(default, deserialize_with = "or_default")]
    pub release: String,
    /// Architectures; `*` for all.
    #[serde(default, deserialize_with = "or_default")]
    pub arches: Vec<String>,
    /// Kernels; `*` for all.
    #[serde(default, deserialize_with = "or_default")]
    pub subarches: Vec<String>,
    /// Labels; `*` for all.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: Vec<String>,
}

/// An archive that machines install from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PackageRepository {
    /// Its number.
    pub id: u64,
    /// Its name; two are built in, [`MAIN_ARCHIVE`] and [`PORTS_ARCHIVE`].
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Suites; none for the release of the machine and its pockets.
    #[serde(default, deserialize_with = "or_default")]
    pub distributions: Vec<String>,
    /// Pockets that are left out; only of those built in.
    #[serde(default, deserialize_with = "or_default")]
    pub disabled_pockets: Vec<String>,
    /// Components that are left out; only of those built in.
    #[serde(default, deserialize_with = "or_default")]
    pub disabled_components: Vec<String>,
    /// Components; not of those built in.
    #[serde(default, deserialize_with = "or_default")]
    pub components: Vec<String>,
    /// Architectures.
    #[serde(default, deserialize_with = "or_default")]
    pub arches: Vec<String>,
    /// Its key, in ASCII armor.
    #[serde(default, deserialize_with = "or_default")]
    pub key: String,
    /// Whether it has no source packages.
    #[serde(default)]
    pub disable_sources: Option<bool>,
    /// Whether it is used.
    #[serde(default)]
    pub enabled: Option<bool>,
}

/// MAAS's archive of amd64 and i386.
pub const MAIN_ARCHIVE: &str = "main_archive";
/// MAAS's archive of all other architectures.
pub const PORTS_ARCHIVE: &str = "ports_archive";

/// An image that MAAS has, or is about to have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Resource {
    /// Its number.
    pub id: u64,
    /// OS/RELEASE.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// ARCH/SUBARCH.
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    /// By version; only in the answer about one resource.
    #[serde(default, deserialize_with = "or_default")]
    pub sets: BTreeMap<String, ResourceSet>,
}

/// A version of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ResourceSet {
    /// Whether MAAS has all of it.
    #[serde(default)]
    pub complete: bool,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// By name; one of an image that was uploaded.
    #[serde(default, deserialize_with = "or_default")]
    pub files: BTreeMap<String, ResourceFile>,
}

/// A file of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ResourceFile {
    /// What it has, or is to have.
    #[serde(default, deserialize_with = "or_default")]
    pub sha256: String,
    /// Bytes that it has, or is to have.
    #[serde(default)]
    pub size: u64,
    /// Whether MAAS has all of it.
    #[serde(default)]
    pub complete: bool,
    /// Where the rest of it is to be sent.
    #[serde(default, deserialize_with = "or_default")]
    pub upload_uri: String,
}

impl Resource {
    /// The set that was made last. An upload's are named by the day and a number: 20250718, 20250718.1, 20250718.10.
    pub fn newest(&self) -> Option<&ResourceSet> {
        let number = |part: &str| part.parse::<u64>().unwrap_or(0);
        let age = |name: &str| name.split('.').map(number).collect::<Vec<_>>();
        self.sets.iter().max_by_key(|(name, _)| age(name)).map(|(_, set)| set)
    }
}

impl BootSource {
    /// The keyring that MAAS holds itself; none if it is a file, or not base64.
    pub fn keyring(&self) -> Option<Vec<u8>> {
        let digits: String = self.keyring_data.split_whitespace().collect();
        STANDARD.decode(digits).ok().filter(|bytes| !bytes.is_empty() && self.keyring_filename.is_empty())
    }

    /// Whether MAAS reads it.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Returns the name, or `None` if MAAS has made it from the address.
    pub fn given_name(&self) -> Option<&str> {
        let name = self.name.as_deref().filter(|name| !name.is_empty())?;
        (name.trim_end_matches('/') != self.url.trim_end_matches('/')).then_some(name)
    }
}

impl BootSelection {
    /// Whether it takes all kernels with all labels.
    pub fn takes_all(&self) -> bool {
        let all = |words: &[String]| words.is_empty() || words.iter().any(|word| word == "*");
        all(&self.subarches) && all(&self.labels)
    }
}

/// `null` as an empty value, which MAAS means by it.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sources_of_old_and_of_new() {
        let old =
            r#"[{"url": "http://u/", "keyring_filename": "/k.gpg", "keyring_data": "", "id": 1, "resource_uri": "x"}]"#;
        let old: Vec<BootSource> = serde_json::from_str(old).unwrap();
        assert!(old[0].is_enabled() && old[0].keyring().is_none() && old[0].given_name().is_none());
        let new = r#"{"url": "u", "name": "u/", "keyring_filename": null, "keyring_data": "Zm\n9v", "id": 2, "enabled": false}"#;
        let new: BootSource = serde_json::from_str(new).unwrap();
        assert!(!new.is_enabled() && new.given_name().is_none());
        let named = BootSource { name: Some("mine".into()), ..new.clone() };
        assert_eq!(named.given_name(), Some("mine"));
        assert_eq!(new.keyring().as_deref(), Some(&b"foo"[..]));
    }

    #[test]
    fn resources_with_and_without_sets() {
        let list = r#"[{"id": 1, "type": "Synced", "name": "ubuntu/jammy", "architecture": "amd64/ga-22.04", "last_deployed": null}]"#;
        assert_eq!(serde_json::from_str::<Vec<Resource>>(list).unwrap()[0].sets.len(), 0);
        let one = r#"{"id": 1, "sets": {"20250718": {"version": "20250718", "size": 5, "complete": false, "progress": 1.5}}}"#;
        assert_eq!(
            serde_json::from_str::<Resource>(one).unwrap().sets["20250718"],
            ResourceSet { complete: false, size: 5, ..ResourceSet::default() }
        );
        let uploaded = r#"{"id": 1, "sets": {"20250718.9": {}, "20250718.10": {"size": 7, "files": {"root.tgz": {"sha256": "a", "size": 7,
            "complete": false, "progress": 0.0, "upload_uri": "/MAAS/api/2.0/boot-resources/1/upload/2/"}}}, "20250718": {}}}"#;
        let uploaded = serde_json::from_str::<Resource>(uploaded).unwrap();
        let newest = uploaded.newest().unwrap();
        assert_eq!((newest.size, newest.files["root.tgz"].upload_uri.ends_with("/upload/2/")), (7, true));
    }

    proptest! {
        #[test]
        fn arbitrary_answers_never_panic(text in "([\\[\\]{}:,]|\"(id|url|name|sets|arches)\"|null|true|1|\"x\"){0,40}") {
            let _ = serde_json::from_str::<Vec<BootSource>>(&text).map(|all| all.iter().map(BootSource::keyring).count());
            let _ = serde_json::from_str::<Vec<PackageRepository>>(&text);
            let _ = serde_json::from_str::<Resource>(&text);
        }
    }
}
