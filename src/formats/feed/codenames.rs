//! Codenames of releases, by which archives name their suites, and versions, by which feeds name releases.

use super::statement::{FeedRelease, FeedSupport, FeedVendor};

/// Versions and codenames of Debian, as in `distro-info-data`.
const DEBIAN: [(&str, &str); 9] = [
    ("8", "jessie"),
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
    ("14", "forky"),
    ("15", "duke"),
    ("unstable", "sid"),
];

/// Versions and codenames of Ubuntu, as in `distro-info-data`.
const UBUNTU: [(&str, &str); 10] = [
    ("14.04", "trusty"),
    ("16.04", "xenial"),
    ("18.04", "bionic"),
    ("20.04", "focal"),
    ("22.04", "jammy"),
    ("24.04", "noble"),
    ("24.10", "oracular"),
    ("25.04", "plucky"),
    ("25.10", "questing"),
    ("26.04", "resolute"),
];

/// Returns the release of an ecosystem of OSV, such as `Debian:12`, `Ubuntu:22.04:LTS` or `Ubuntu:Pro:22.04:LTS`. `None` for others, such as
/// those of FIPS and of real-time kernels: they are archives of their own.
pub(super) fn of_ecosystem(text: &str) -> Option<FeedRelease> {
    let text = text.strip_suffix(":LTS").unwrap_or(text);
    let mut parts = text.split(':');
    let (vendor, support, version) = match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
        ("Debian", version, None, None) => (FeedVendor::Debian, FeedSupport::Public, version),
        ("Ubuntu", "Pro", Some(version), None) => (FeedVendor::Ubuntu, FeedSupport::Pro, version),
        ("Ubuntu", version, None, None) => (FeedVendor::Ubuntu, FeedSupport::Public, version),
        _ => return None,
    };
    let names: &[(&str, &str)] = match vendor {
        FeedVendor::Debian => &DEBIAN,
        FeedVendor::Ubuntu => &UBUNTU,
    };
    let (_, codename) = names.iter().find(|(number, _)| *number == version)?;
    Some(FeedRelease { vendor, codename: (*codename).to_owned(), support })
}
