//! Records of the Open Source Vulnerability format (OSV 1.7), one or a tar archive of them, of Ubuntu and Debian.
//!
//! `affected.package.name` is the source package. What Ubuntu Pro fixes has an ecosystem of its own.

use std::io::{Cursor, Read};

use serde::Deserialize;

use super::EachStatement;
use super::codenames::of_ecosystem;
use super::limits::{BoundedJson, StatementCount, capped, json_error, name, read_error};
use super::statement::{AffectedRange, AffectedVersions, FeedPackage, FeedStatement};
use crate::formats::compression::{self, Compression};
use crate::formats::{Invalid, ReadError};

/// The largest record, in bytes. The largest real ones, of the kernel, have some 5 MB.
const MAX_RECORD_BYTES: u64 = 16 << 20;
/// The most records of an archive. Ubuntu's has some 60,000.
const MAX_RECORDS: u64 = 5_000_000;
/// The length of a header of tar, and the place of its magic in it.
const TAR_HEADER_BYTES: u64 = 512;
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// Reads the records of a file.
pub(super) fn read(path: &str, from: impl Read + Send, each: &mut EachStatement<'_>) -> Result<(), ReadError> {
    let packing = Compression::of_name(path);
    let mut plain = capped(compression::reader(from, packing)?);
    let mut start = Vec::new();
    plain.by_ref().take(TAR_HEADER_BYTES).read_to_end(&mut start).map_err(read_error)?;
    let is_tar = start.get(TAR_MAGIC).is_some_and(|magic| magic == b"ustar");
    let mut whole = Cursor::new(start).chain(plain);
    let mut count = StatementCount::default();
    match is_tar {
        true => archive(&mut whole, &mut count, each),
        false => record(&mut whole, &mut count, each),
    }
}

/// Reads the files of an archive. Headers with long names and the like are passed over unread, since they could fill the memory.
fn archive(
    from: &mut (impl Read + Send),
    count: &mut StatementCount,
    each: &mut EachStatement<'_>,
) -> Result<(), ReadError> {
    let mut records = 0;
    let mut archive = tar::Archive::new(&mut *from);
    for entry in archive.entries().map_err(read_error)?.raw(true) {
        let mut entry = entry.map_err(read_error)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        records += 1;
        if records > MAX_RECORDS {
            return Err(ReadError::invalid(format!("it has more than {MAX_RECORDS} records")));
        }
        let place = String::from_utf8_lossy(&entry.header().path_bytes()).chars().take(200).collect::<String>();
        record(&mut entry, count, each).map_err(|error| error.within(format!("{place} is no usable record")))?;
    }
    // A checksum may stand behind the end of the archive.
    std::io::copy(from, &mut std::io::sink()).map_err(read_error)?;
    Ok(())
}

/// Reads a record to its end.
fn record(from: &mut impl Read, count: &mut StatementCount, each: &mut EachStatement<'_>) -> Result<(), ReadError> {
    let mut bytes = Vec::new();
    from.take(MAX_RECORD_BYTES + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > MAX_RECORD_BYTES {
        return Err(ReadError::invalid(format!("it has a record of more than {MAX_RECORD_BYTES} bytes")));
    }
    let record: OsvRecord = serde_json::from_reader(BoundedJson::new(bytes.as_slice())).map_err(json_error)?;
    Ok(record.each(count, each)?)
}

#[derive(Deserialize)]
struct OsvRecord {
    id: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    upstream: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    severity: Vec<OsvSeverity>,
    #[serde(default)]
    affected: Vec<OsvAffected>,
}

#[derive(Deserialize)]
struct OsvSeverity {
    #[serde(rename = "type")]
    scale: String,
    score: String,
}

#[derive(Deserialize)]
struct OsvAffected {
    #[serde(default)]
    package: Option<OsvPackage>,
    #[serde(default)]
    ranges: Vec<OsvRange>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct OsvPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct OsvRange {
    #[serde(rename = "type")]
    scale: String,
    #[serde(default)]
    events: Vec<OsvEvent>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OsvEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

impl OsvRecord {
    fn each(&self, count: &mut StatementCount, each: &mut EachStatement<'_>) -> Result<(), Invalid> {
        let ids = self.ids()?;
        if self.withdrawn.is_some() {
            return Ok(());
        }
        let urgency = self.severity.iter().find(|severity| severity.scale == "Ubuntu");
        let urgency = urgency.map(|severity| severity.score.to_lowercase()).unwrap_or_default();
        let urgency: String = urgency.chars().filter(|c| !c.is_control()).take(40).collect();
        for affected in &self.affected {
            let Some(package) = &affected.package else { continue };
            let Some(release) = of_ecosystem(&package.ecosystem) else { continue };
            let versions = affected.affected_versions()?;
            let package = FeedPackage::Source(name("name of a package", &package.name)?);
            for id in &ids {
                count.add()?;
                each(FeedStatement {
                    id: id.clone(),
                    release: release.clone(),
                    package: package.clone(),
                    versions: versions.clone(),
                    urgency: urgency.clone(),
                })?;
            }
        }
        Ok(())
    }

    /// The vulnerabilities: the one that the record is called after, else those that an advisory such as a USN names, else the record itself.
    fn ids(&self) -> Result<Vec<String>, Invalid> {
        let own = ["UBUNTU-", "DEBIAN-"].iter().find_map(|prefix| self.id.strip_prefix(prefix)).unwrap_or(&self.id);
        if own.starts_with("CVE-") {
            return Ok(vec![name("name of a vulnerability", own)?]);
        }
        let named = self.upstream.iter().chain(&self.related).chain(&self.aliases);
        let named = named.filter(|id| id.starts_with("CVE-")).map(|id| name("name of a vulnerability", id));
        let mut ids = named.collect::<Result<Vec<_>, _>>()?;
        ids.sort();
        ids.dedup();
        match ids.is_empty() {
            true => Ok(vec![name("name of a vulnerability", &self.id)?]),
            false => Ok(ids),
        }
    }
}

impl OsvAffected {
    /// The versions of `ranges` and `versions` together. Ranges that do not go by the order of packages are about source code.
    fn affected_versions(&self) -> Result<AffectedVersions, Invalid> {
        let mut all = AffectedVersions::default();
        for range in self.ranges.iter().filter(|range| range.scale == "ECOSYSTEM") {
            let mut open: Option<AffectedRange> = None;
            for OsvEvent { introduced, fixed, last_affected } in &range.events {
                if let Some(from) = introduced {
                    all.ranges.extend(open.take());
                    let from = Some(from).filter(|from| *from != "0").map(|from| name("version", from)).transpose()?;
                    open = Some(AffectedRange { from, ..AffectedRange::default() });
                }
                let mut end = open.clone().unwrap_or_default();
                match (fixed, last_affected) {
                    (Some(fixed), _) => end.below = Some(name("version", fixed)?),
                    (None, Some(last)) => end.up_to = Some(name("version", last)?),
                    (None, None) => continue,
                }
                all.has_fix |= fixed.is_some();
                all.ranges.push(end);
                open = None;
            }
            all.ranges.extend(open);
        }
        all.listed = self.versions.iter().map(|version| name("version", version)).collect::<Result<_, _>>()?;
        Ok(all)
    }
}
