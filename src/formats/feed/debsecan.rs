//! Files for debsecan: one suite, packed with zlib. Read as debsecan 0.4 does it (`fetch_data`).
//!
//! Behind a line with the version of the format come three lists of lines, each ended by an empty line: vulnerabilities, the packages
//! that they affect, and the binary packages of source packages.

use std::io::{self, BufRead, BufReader, Read};

use flate2::read::ZlibDecoder;

use super::EachStatement;
use super::limits::{StatementCount, capped, name, next_line, read_error};
use super::statement::{
    AffectedRange, AffectedVersions, FeedPackage, FeedRelease, FeedStatement, FeedSupport, FeedVendor,
};
use crate::formats::{Invalid, ReadError};

/// The first line.
const VERSION: &str = "VERSION 1";
/// The name of the file for no suite, whose versions are those of unstable.
const GENERIC: &str = "GENERIC";
/// The most vulnerabilities of a file. Debian's have some 50,000.
const MAX_VULNERABILITIES: usize = 1_000_000;

/// Reads the file for `suite`.
pub(super) fn read(suite: &str, from: impl Read, each: &mut EachStatement<'_>) -> Result<(), ReadError> {
    let mut from = BufReader::new(capped(ZlibDecoder::new(BufReader::new(from))));
    let (mut line, mut number) = (String::new(), 1);
    next_line(&mut from, &mut line)?;
    if line != VERSION {
        return Err(ReadError::invalid("it does not begin with VERSION 1, as a file for debsecan does"));
    }
    let codename = if suite == GENERIC { "sid" } else { suite };
    let codename = name("name of a suite", codename)?;
    let release = FeedRelease { vendor: FeedVendor::Debian, codename, support: FeedSupport::Public };
    let names = vulnerabilities(&mut from, &mut line, &mut number)?;
    let mut count = StatementCount::default();
    while next_in_list(&mut from, &mut line, &mut number)? {
        count.add()?;
        let statement = statement(&line, &names, &release).map_err(|error| error.placed(format!("line {number}")))?;
        each(statement)?;
    }
    while next_in_list(&mut from, &mut line, &mut number)? {
        if line.split(',').count() != 2 {
            return Err(
                Invalid::at(format!("line {number}"), "a source package and its binary packages are expected").into()
            );
        }
    }
    // The checksum stands at the end.
    io::copy(&mut from, &mut io::sink()).map_err(read_error)?;
    Ok(())
}

/// Reads the next line. Returns `false` behind the last one of the list.
fn next_in_list(from: &mut impl BufRead, line: &mut String, number: &mut u64) -> Result<bool, ReadError> {
    *number += 1;
    Ok(next_line(from, line)? && !line.is_empty())
}

/// Reads the names of the vulnerabilities, by which the lines of packages number them.
fn vulnerabilities(from: &mut impl BufRead, line: &mut String, number: &mut u64) -> Result<Vec<Box<str>>, ReadError> {
    let mut names = Vec::new();
    while next_in_list(from, line, number)? {
        let id = line.split(',').next().unwrap_or_default();
        if line.split(',').count() < 3 || names.len() >= MAX_VULNERABILITIES {
            return Err(
                Invalid::at(format!("line {number}"), "a vulnerability is expected, and at most a million").into()
            );
        }
        names.push(name("name of a vulnerability", id)?.into_boxed_str());
    }
    Ok(names)
}

/// Parses `PACKAGE,VULNERABILITY,FLAGS,UNSTABLE,OTHERS`.
fn statement(line: &str, names: &[Box<str>], release: &FeedRelease) -> Result<FeedStatement, Invalid> {
    let parts: Vec<&str> = line.splitn(5, ',').collect();
    let [package, vulnerability, flags, unstable, others] = parts[..] else {
        return Err(Invalid::new("a package with its vulnerability, flags and versions is expected"));
    };
    let id = vulnerability.parse::<usize>().ok().and_then(|number| names.get(number));
    let id = id.ok_or_else(|| Invalid::new("it names a vulnerability that is not in the list"))?;
    let [kind, urgency, _remote, fix] = flags.as_bytes() else { return Err(Invalid::new("it has malformed flags")) };
    let urgency = match urgency {
        b' ' => "",
        b'L' => "low",
        b'M' => "medium",
        b'H' => "high",
        _ => return Err(Invalid::new("it has malformed flags")),
    };
    let below = Some(unstable).filter(|version| !version.is_empty());
    let below = below.map(|version| name("version", version)).transpose()?;
    let others = others.split(' ').filter(|version| !version.is_empty()).map(|version| name("version", version));
    let package = name("name of a package", package)?;
    let is_binary = *kind == b'B';
    let versions = AffectedVersions {
        ranges: vec![AffectedRange { below, ..AffectedRange::default() }],
        // debsecan compares those of source packages alone.
        except: if is_binary { Vec::new() } else { others.collect::<Result<_, _>>()? },
        has_fix: *fix == b'F',
        ..AffectedVersions::default()
    };
    Ok(FeedStatement {
        id: id.to_string(),
        release: release.clone(),
        package: if is_binary { FeedPackage::Binary(package) } else { FeedPackage::Source(package) },
        versions,
        urgency: urgency.to_owned(),
    })
}
