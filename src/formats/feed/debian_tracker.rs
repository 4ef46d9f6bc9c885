//! The JSON file of Debian's security tracker: source packages, their vulnerabilities, and for each release the status.

use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::EachStatement;
use super::limits::{BoundedJson, StatementCount, capped, json_error, name};
use super::statement::{AffectedVersions, FeedPackage, FeedRelease, FeedStatement, FeedSupport, FeedVendor};
use crate::formats::{Invalid, ReadError};

/// The most releases of one vulnerability of one package.
const MAX_RELEASES: usize = 64;
/// The version by which the tracker says that a package never was affected.
const NEVER: &str = "0";

/// Reads the file.
pub(super) fn read(from: impl Read, each: &mut EachStatement<'_>) -> Result<(), ReadError> {
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(BoundedJson::new(capped(from))));
    let mut reader = TrackerReader { each, count: StatementCount::default(), refused: None };
    let read = PackagesSeed(&mut reader).deserialize(&mut json).and_then(|()| json.end());
    match reader.refused {
        Some(error) => Err(error.into()),
        None => read.map_err(json_error),
    }
}

struct TrackerReader<'r, 'e> {
    each: &'r mut EachStatement<'e>,
    count: StatementCount,
    /// The error that ended the reading, if it is none of the JSON's.
    refused: Option<Invalid>,
}

impl TrackerReader<'_, '_> {
    /// Hands on what the tracker says of a package in a release.
    fn statement(&mut self, package: &str, id: &str, codename: &str, status: &TrackedStatus) -> Result<(), Invalid> {
        self.count.add()?;
        let versions = match (status.status.as_str(), status.fixed_version.as_deref()) {
            ("resolved", Some(NEVER)) => return Ok(()),
            ("resolved", Some(fixed)) => AffectedVersions::below(&name("version", fixed)?),
            // It says nothing of versions: the release has what is not affected.
            ("resolved", None) => return Ok(()),
            ("undetermined", _) => AffectedVersions { is_undetermined: true, ..AffectedVersions::all() },
            ("open", _) => AffectedVersions::all(),
            _ => return Err(Invalid::at(format!("{package}, {id}"), "it has a status that nobody knows")),
        };
        let codename = name("codename", codename)?;
        (self.each)(FeedStatement {
            id: name("name of a vulnerability", id)?,
            release: FeedRelease { vendor: FeedVendor::Debian, codename, support: FeedSupport::Public },
            package: FeedPackage::Source(name("name of a package", package)?),
            versions,
            urgency: status.urgency.chars().filter(|c| !c.is_control()).take(40).collect(),
        })
    }
}

/// A vulnerability of a package.
#[derive(Deserialize)]
struct TrackedVulnerability {
    #[serde(default)]
    releases: TrackedReleases,
}

/// The statuses in the releases, in their order.
#[derive(Default)]
struct TrackedReleases(Vec<(String, TrackedStatus)>);

impl<'de> Deserialize<'de> for TrackedReleases {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(ReleasesVisitor)
    }
}

struct ReleasesVisitor;

impl<'de> Visitor<'de> for ReleasesVisitor {
    type Value = TrackedReleases;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of releases")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TrackedReleases, A::Error> {
        let mut releases = Vec::new();
        while let Some(release) = map.next_entry()? {
            if releases.len() >= MAX_RELEASES {
                return Err(A::Error::custom(format_args!("more than {MAX_RELEASES} releases")));
            }
            releases.push(release);
        }
        Ok(TrackedReleases(releases))
    }
}

/// The status of a vulnerability in a release.
#[derive(Deserialize)]
struct TrackedStatus {
    status: String,
    #[serde(default)]
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: String,
}

/// The whole file: an object of packages.
struct PackagesSeed<'s, 'r, 'e>(&'s mut TrackerReader<'r, 'e>);

impl<'de> DeserializeSeed<'de> for PackagesSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PackagesSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(package) = map.next_key::<String>()? {
            map.next_value_seed(VulnerabilitiesSeed { reader: self.0, package: &package })?;
        }
        Ok(())
    }
}

/// A package: an object of vulnerabilities.
struct VulnerabilitiesSeed<'s, 'r, 'e> {
    reader: &'s mut TrackerReader<'r, 'e>,
    package: &'s str,
}

impl<'de> DeserializeSeed<'de> for VulnerabilitiesSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for VulnerabilitiesSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of vulnerabilities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(id) = map.next_key::<String>()? {
            let found: TrackedVulnerability = map.next_value()?;
            for (codename, status) in &found.releases.0 {
                if let Err(error) = self.reader.statement(self.package, &id, codename, status) {
                    self.reader.refused = Some(error);
                    return Err(A::Error::custom("refused"));
                }
            }
        }
        Ok(())
    }
}
