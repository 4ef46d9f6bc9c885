//! Package URLs (purl-spec), the names by which tools know packages. Snaps have no official type yet.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bundle::state::ItemLine;
use crate::kind::Details;

/// All but what purl-spec leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The parts of a package URL.
struct PackageUrl<'a> {
    package_type: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
    version: &'a str,
    /// Sorted by their keys.
    qualifiers: Vec<Qualifier<'a>>,
}

/// A qualifier.
struct Qualifier<'a> {
    key: &'static str,
    value: std::borrow::Cow<'a, str>,
}

/// Returns the package URL of an item.
pub(super) fn of_item(item: &ItemLine) -> String {
    match &item.details {
        Details::Deb { .. } => package(item, &item.name, &item.version, item.architecture.as_deref()),
        Details::Rpm { .. } => package(item, &item.name, &item.version, item.architecture.as_deref()),
        Details::Snap { revision, .. } => {
            let one = item.architecture.as_deref().filter(|architecture| !architecture.contains(' '));
            let qualifiers = one.map(|value| Qualifier { key: "arch", value: value.into() }).into_iter().collect();
            let version = revision.to_string();
            let url =
                PackageUrl { package_type: "snap", namespace: None, name: &item.name, version: &version, qualifiers };
            url.text()
        }
        Details::Feed { .. } | Details::File { .. } | Details::Image { .. } | Details::OsImage { .. } => {
            let checksum = Qualifier { key: "checksum", value: format!("sha256:{}", item.sha256).into() };
            // Readers take a slash in a name, encoded or not, for the end of a namespace.
            let (namespace, name) = match item.name.rsplit_once('/') {
                Some((namespace, name)) if !name.is_empty() => (Some(namespace), name),
                _ => (None, item.name.as_str()),
            };
            let (version, qualifiers) = (&item.version, vec![checksum]);
            PackageUrl { package_type: "generic", namespace, name, version, qualifiers }.text()
        }
    }
}

/// Returns the package URL of the source package of a package.
pub(super) fn of_source(item: &ItemLine, name: &str, version: &str) -> String {
    let architecture = if matches!(item.details, Details::Rpm { .. }) { "src" } else { "source" };
    package(item, name, version, Some(architecture))
}

/// Returns the package URL of a Debian or RPM package from the same publisher as `item`.
fn package(item: &ItemLine, name: &str, version: &str, architecture: Option<&str>) -> String {
    let namespace = item.publisher.as_ref().map(|publisher| publisher.to_lowercase());
    let mut qualifiers: Vec<Qualifier<'_>> =
        architecture.map(|value| Qualifier { key: "arch", value: value.into() }).into_iter().collect();
    let (mut rest, mut name) = (version, std::borrow::Cow::from(name));
    let package_type = match &item.details {
        Details::Rpm { .. } => {
            // An RPM's version has no epoch there.
            if let Some((epoch, version)) = version.split_once(':') {
                rest = version;
                qualifiers.extend((epoch != "0").then(|| Qualifier { key: "epoch", value: epoch.into() }));
            }
            "rpm"
        }
        _ => {
            let suite = item.details.release_line();
            qualifiers.extend((!suite.is_empty()).then(|| Qualifier { key: "distro", value: suite.into() }));
            name = name.to_lowercase().into();
            "deb"
        }
    };
    PackageUrl { package_type, namespace: namespace.as_deref(), name: &name, version: rest, qualifiers }.text()
}

impl PackageUrl<'_> {
    fn text(&self) -> String {
        let mut text = format!("pkg:{}/", self.package_type);
        if let Some(namespace) = self.namespace {
            let parts = namespace.split('/').filter(|part| !part.is_empty());
            parts.for_each(|part| text += &format!("{}/", encoded(part)));
        }
        text += &encoded(self.name);
        if !self.version.is_empty() {
            text += &format!("@{}", encoded(self.version));
        }
        for (place, Qualifier { key, value }) in self.qualifiers.iter().filter(|of| !of.value.is_empty()).enumerate() {
            let separator = if place == 0 { '?' } else { '&' };
            text += &format!("{separator}{key}={}", encoded(value));
        }
        text
    }
}

/// Encodes one part of an address.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
