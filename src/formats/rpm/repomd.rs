//! `repomd.xml`: the file that is signed, and that names all other metadata by digest.

use super::xml::{Node, Tag, Xml};
use super::{LISTS, MAX_DATA_BYTES, MAX_OPEN_BYTES, REPODATA, checksum_kind, is_needed};
use crate::error_class::causes;
use crate::formats::Invalid;
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;
use crate::time::Time;

/// The most files of metadata that it may name. Real ones name less than thirty.
const MAX_DATA: usize = 200;
/// The longest text of an element, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// Numbers below this one, in Unix seconds, are no times: a revision may count from 1. It is the year 2000.
const FIRST_TIME: i64 = 946_684_800;

/// What `repomd.xml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// When it was made, as it says itself: the newest of its revision, where that is a time, and of its files' times.
    pub date: Option<Time>,
    /// The metadata that it names, in its order.
    pub data: Vec<Data>,
    /// Entries that cannot be carried and that no client needs, each with the reason.
    pub odd: Vec<String>,
}

/// A file of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// What it is, such as `primary`.
    pub kind: String,
    /// Where it is, below the repository's root.
    pub path: PublishPath,
    /// Its digest.
    pub digest: SignedDigest,
    /// Its size, in bytes.
    pub size: u64,
    /// The digest of what it holds, where that is named.
    pub open_digest: Option<SignedDigest>,
    /// How much it holds, in bytes, where that is named.
    pub open_size: Option<u64>,
}

/// What is found in an element `<data>`.
#[derive(Default)]
struct DataFields {
    kind: String,
    location: Option<String>,
    base: Option<String>,
    checksum_type: String,
    checksum: String,
    open_checksum_type: String,
    open_checksum: String,
    size: String,
    open_size: String,
    timestamp: String,
}

impl Repomd {
    /// Reads its text. Metadata of a kind that does not pass `wanted` is left out unread, but for its time.
    pub fn parse(text: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Self, Invalid> {
        let mut reader = Reader { revision: String::new(), found: Vec::new() };
        reader.read(text)?;
        let times = reader.found.iter().map(|found| found.timestamp.as_str()).chain([reader.revision.as_str()]);
        let date = times.filter_map(time).max();
        let mut repomd = Self { date, data: Vec::new(), odd: Vec::new() };
        for found in reader.found.into_iter().filter(|found| wanted(&found.kind)) {
            let is_needed = is_needed(&found.kind);
            match found.data().and_then(|data| repomd.add(data)) {
                Err(error) if !is_needed => repomd.odd.push(causes(&error).join(": ")),
                added => added?,
            }
        }
        Ok(repomd)
    }

    /// Adds an entry. The same entry again counts once. Of two entries of one kind dnf refuses the repository.
    fn add(&mut self, data: Data) -> Result<(), Invalid> {
        let is_other = |other: &Data| (other.kind == data.kind && is_needed(&data.kind)) || other.path == data.path;
        match self.data.iter().find(|other| is_other(other)) {
            None => self.data.push(data),
            Some(same) if *same == data => {}
            Some(_) => {
                return {
                    let kind = data.kind;
                    let what =
                        format!("repomd.xml has two different entries of the type {kind}, which dnf refuses too");
                    Err(Invalid::new(what))
                };
            }
        }
        Ok(())
    }

    /// The metadata of this kind.
    pub fn get(&self, kind: &str) -> Option<&Data> {
        self.data.iter().find(|data| data.kind == kind)
    }
}

/// Seconds, of which old programs write fractions too.
fn time(text: &str) -> Option<Time> {
    let seconds = text.trim_ascii().split('.').next()?.parse().ok().filter(|seconds| *seconds >= FIRST_TIME)?;
    Time::from_unix(seconds).ok()
}

struct Reader {
    revision: String,
    found: Vec<DataFields>,
}

impl Reader {
    fn read(&mut self, text: &[u8]) -> Result<(), Invalid> {
        let mut xml = Xml::new(text);
        let (mut buffer, mut path) = (Vec::new(), Vec::<String>::new());
        xml.root("repomd", &mut buffer)?;
        loop {
            match xml.next(&mut buffer)? {
                Node::Start(tag) => {
                    let tag = Tag::of(tag)?;
                    path.push(tag.name().to_owned());
                    self.start(&path, &tag)?;
                }
                Node::Text(text) => self.text(&path, &text)?,
                Node::End if path.is_empty() => return xml.finish(),
                Node::End => drop(path.pop()),
                Node::Eof => return Ok(()),
            }
        }
    }

    fn start(&mut self, path: &[String], tag: &Tag<'_>) -> Result<(), Invalid> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let full = self.found.len() >= MAX_DATA;
        match (names.as_slice(), self.found.last_mut()) {
            (["data"], _) if full => {
                Err(Invalid::new("it has more files than any real one, which no repository needs"))
            }
            (["data"], _) => {
                self.found.push(DataFields { kind: tag.get("type")?.unwrap_or_default(), ..DataFields::default() });
                Ok(())
            }
            (["data", "location"], Some(found)) => {
                found.base = tag.get("xml:base")?.or(found.base.take());
                found.location = tag.get("href")?;
                Ok(())
            }
            (["data", "checksum"], Some(found)) => {
                found.checksum_type = tag.get("type")?.unwrap_or_default();
                Ok(())
            }
            (["data", "open-checksum"], Some(found)) => {
                found.open_checksum_type = tag.get("type")?.unwrap_or_default();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, path: &[String], text: &str) -> Result<(), Invalid> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let to = match (names.as_slice(), self.found.last_mut()) {
            (["revision"], _) => &mut self.revision,
            (["data", "checksum"], Some(found)) => &mut found.checksum,
            (["data", "open-checksum"], Some(found)) => &mut found.open_checksum,
            (["data", "size"], Some(found)) => &mut found.size,
            (["data", "open-size"], Some(found)) => &mut found.open_size,
            (["data", "timestamp"], Some(found)) => &mut found.timestamp,
            _ => return Ok(()),
        };
        to.push_str(text);
        match to.len() > MAX_TEXT_BYTES {
            true => Err(Invalid::new("it has a text longer than any real one, which no repository needs")),
            false => Ok(()),
        }
    }
}

impl DataFields {
    fn data(self) -> Result<Data, Invalid> {
        let place = || self.kind.clone();
        let malformed = |what| Invalid::malformed(place(), what);
        let number = |text: &str, what| text.trim_ascii().parse::<u64>().map_err(|_| malformed(what));
        let lacks = |what| Invalid::lacks(place(), what);
        let location = self.location.as_ref().ok_or_else(|| lacks("location"))?;
        if self.checksum_type.is_empty() {
            return Err(lacks("checksum"));
        }
        if self.size.is_empty() {
            return Err(lacks("size"));
        }
        let kind = checksum_kind(&self.checksum_type, place)?;
        if let Some(base) = &self.base {
            return Err(super::other_base(&place(), base));
        }
        let path = PublishPath::normalized(location)
            .map_err(|source| Invalid::new(format!("{} is at an unusable path", place())).because(source))?;
        if !path.as_str().starts_with(REPODATA) || path.as_str().starts_with(super::REPOMD) {
            return Err(malformed("location"));
        }
        let open_size = match self.open_size.trim_ascii() {
            "" => None,
            text => Some(number(text, "open-size")?),
        };
        let size = number(&self.size, "size")?;
        let limits =
            [(Some(size), MAX_DATA_BYTES), (open_size.filter(|_| LISTS.contains(&&*self.kind)), MAX_OPEN_BYTES)];
        if let Some((_, limit)) = limits.into_iter().find(|(size, limit)| size.is_some_and(|size| size > *limit)) {
            return Err(Invalid::at(place(), format!("it has more than {limit} bytes")));
        }
        let open = checksum_kind(&self.open_checksum_type, place).ok();
        let open = open.map(|kind| kind.parse(self.open_checksum.trim_ascii()));
        Ok(Data {
            path,
            size,
            open_size,
            digest: kind.parse(self.checksum.trim_ascii()).map_err(|_| malformed("checksum"))?,
            open_digest: open.transpose().map_err(|_| malformed("open-checksum"))?,
            kind: self.kind,
        })
    }
}
