//! Reads Release files as apt does.

use std::collections::BTreeMap;

use super::{IndexFile, Release};
use crate::formats::apt::deb822::{Stanza, Stanzas, lines};
use crate::formats::signed_digest::DigestKind;
use crate::formats::{Invalid, shortened};
use crate::path::PublishPath;
use crate::time::Time;

/// The sections that list files by digests that prove something. Of a file that both have, the first counts.
pub(in crate::formats::apt) const SECTIONS: [(&str, DigestKind); 2] =
    [("SHA256", DigestKind::Sha256), ("SHA512", DigestKind::Sha512)];

/// A line of a section that lists files: digest, size and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats::apt) struct FileLine<'a> {
    /// Size and digest.
    pub(in crate::formats::apt) file: IndexFile,
    /// The path as it stands.
    pub(in crate::formats::apt) path: &'a str,
}

impl<'a> FileLine<'a> {
    /// Parses a line with a digest of this kind. Returns `None` if it is malformed.
    pub(in crate::formats::apt) fn parse(kind: DigestKind, line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
        let file = IndexFile { size: size.parse().ok()?, digest: kind.parse(digest).ok()? };
        words.next().is_none().then_some(Self { file, path })
    }
}

impl Release {
    /// Reads the text of a Release, without its signature.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        // As apt does: what stands behind the first stanza counts for nothing.
        let stanza = Stanzas::new(text).next().ok_or_else(|| Invalid::new("it is empty"))?;
        let value = |name| one_line(stanza, name).filter(|value| !value.is_empty());
        let date = date(stanza, "Date");
        let words = |name| stanza.field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let yes = |name| stanza.field(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        let ListedFiles { files, respelled } = listed_files(stanza)?;
        Ok(Self {
            origin: value("Origin"),
            label: value("Label"),
            suite: value("Suite"),
            codename: value("Codename"),
            version: value("Version"),
            description: value("Description"),
            date: date.as_ref().ok().copied().flatten(),
            unreadable_date: date.err().map(|UnreadableDate(text)| text),
            valid_until: valid_until(stanza)?,
            components: words("Components"),
            architectures: words("Architectures"),
            acquire_by_hash: yes("Acquire-By-Hash"),
            no_support_for_architecture_all: stanza.field("No-Support-for-Architecture-all") == Some("Packages"),
            not_automatic: yes("NotAutomatic"),
            but_automatic_upgrades: yes("ButAutomaticUpgrades"),
            others: others(stanza),
            files,
            respelled,
        })
    }
}

/// A value in one line: folded ones are unfolded, and one that is not UTF-8 is read as Latin-1. apt shows such bytes as they are.
fn one_line(stanza: Stanza<'_>, name: &str) -> Option<String> {
    let field = stanza.fields().filter(|field| field.is(name)).last()?;
    let text = match std::str::from_utf8(field.value) {
        Ok(text) => text.to_owned(),
        Err(_) => field.value.iter().copied().map(char::from).collect(),
    };
    let line = lines(&text).collect::<Vec<_>>().join(" ");
    Some(line.replace(char::is_control, " ").trim().to_owned())
}

/// A date that apt cannot read.
struct UnreadableDate(String);

fn date(stanza: Stanza<'_>, field: &'static str) -> Result<Option<i64>, UnreadableDate> {
    let Some(value) = one_line(stanza, field).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let unreadable = |_| UnreadableDate(value.chars().take(100).collect());
    Time::parse_release_date(&value).map(|time| Some(time.unix())).map_err(unreadable)
}

/// Refuses a `Valid-Until` that cannot be read, as apt does.
fn valid_until(stanza: Stanza<'_>) -> Result<Option<i64>, Invalid> {
    let field = "Valid-Until";
    date(stanza, field).map_err(|UnreadableDate(value)| Invalid::new(format!("its {field} is no date: {value}")))
}

/// Fields that [`Release`] has by itself, and the digests of indexes.
const READ: [&str; 18] = [
    "Origin",
    "Label",
    "Suite",
    "Codename",
    "Version",
    "Description",
    "Date",
    "Valid-Until",
    "Components",
    "Architectures",
    "Acquire-By-Hash",
    "No-Support-for-Architecture-all",
    "NotAutomatic",
    "ButAutomaticUpgrades",
    "MD5Sum",
    "SHA1",
    "SHA256",
    "SHA512",
];
/// Fields that would be untrue of a Release that somebody else signs and serves: the keys that upstream will sign with, and
/// upstream's wish for credentials.
const UPSTREAMS_OWN: [&str; 2] = ["Signed-By", "Packages-Require-Authorization"];
/// The longest field that is kept, in bytes, with its name.
const MAX_OTHER_BYTES: usize = 1000;
/// The most fields that are kept.
const MAX_OTHERS: usize = 50;

/// The other fields, as far as they are one line of printable text. Of a field that stands twice the last one counts.
fn others(stanza: Stanza<'_>) -> BTreeMap<String, String> {
    let mut others = BTreeMap::new();
    for field in stanza.fields() {
        let texts = (std::str::from_utf8(field.name), std::str::from_utf8(field.value));
        let (Ok(name), Ok(value)) = texts else { continue };
        let known = READ.iter().chain(&UPSTREAMS_OWN).any(|own| field.is(own));
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_line = !value.is_empty() && value.trim() == value && !value.contains(char::is_control);
        if !known && is_name && is_line && name.len() + value.len() <= MAX_OTHER_BYTES && others.len() < MAX_OTHERS {
            others.retain(|other: &String, _| !field.is(other));
            others.insert(name.to_owned(), value.to_owned());
        }
    }
    others
}

/// The files that a Release lists.
#[derive(Default)]
struct ListedFiles {
    files: BTreeMap<PublishPath, IndexFile>,
    respelled: BTreeMap<PublishPath, String>,
}

/// The files of all strong sections. A path that is no publish path is passed over: nothing of ours would ever ask for it.
fn listed_files(stanza: Stanza<'_>) -> Result<ListedFiles, Invalid> {
    let mut listed = ListedFiles::default();
    let mut is_weak = true;
    for (section, kind) in SECTIONS {
        let Some(text) = stanza.field(section) else { continue };
        is_weak = false;
        listed.add_section(section, kind, text)?;
    }
    if is_weak { Err(Invalid::new("weak: it lists no index by SHA-256 or SHA-512")) } else { Ok(listed) }
}

impl ListedFiles {
    /// Adds the files of a section. As for apt, the first of two lines for one file counts, and a line whose size or digest is
    /// none matters to nobody who does not ask for the file.
    fn add_section(&mut self, section: &'static str, kind: DigestKind, text: &str) -> Result<(), Invalid> {
        for line in lines(text) {
            if line.split_whitespace().count() != 3 {
                return Err(Invalid::new(format!("its {section} section has a malformed line: {}", shortened(line))));
            }
            let Some(FileLine { file, path }) = FileLine::parse(kind, line) else { continue };
            if let Ok(path) = path.parse::<PublishPath>() {
                self.files.entry(path).or_insert(file);
            } else if let Ok(plain) = PublishPath::normalized(path) {
                self.respelled.entry(plain).or_insert_with(|| path.to_owned());
            }
        }
        Ok(())
    }
}
