//! The list of delta packages: differences from which a client that has the older package makes the newer one.
//!
//! `prestodelta.xml` is what createrepo_c writes and dnf reads; `deltainfo.xml` is SUSE's older name for the same. A client
//! that fetches a listed delta and does not get it may end with an error rather than fetch the whole package: dnf 4 does.

use std::io::BufRead;

use super::location::Location;
use super::package::{MAX_WORD_BYTES, is_word};
use super::xml::{Node, Tag, Xml};
use super::{Evr, OddEntry, Package, checksum_kind};
use crate::formats::Invalid;

/// The kinds of metadata that list deltas.
pub const DELTAS: [&str; 2] = ["prestodelta", "deltainfo"];

/// Calls `each` for every delta of a list of this kind, as a package: name, version and architecture are those of the package
/// that it makes, and the file is the delta's.
pub fn deltas<E: From<Invalid>>(
    list: impl BufRead,
    kind: &str,
    mut each: impl FnMut(Result<Package, OddEntry>) -> Result<(), E>,
) -> Result<(), E> {
    let mut xml = Xml::new(list);
    let (mut buffer, mut path) = (Vec::new(), Vec::<String>::new());
    let (mut target, mut found) = (Target::default(), Delta::default());
    let root = DELTAS.into_iter().find(|known| *known == kind).unwrap_or("prestodelta");
    xml.root(root, &mut buffer)?;
    loop {
        match xml.next(&mut buffer)? {
            Node::Start(tag) => {
                let tag = Tag::of(tag)?;
                path.push(tag.name().to_owned());
                match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                    ["newpackage"] => target = Target::of(&tag)?,
                    ["newpackage", "delta"] => found = Delta::default(),
                    ["newpackage", "delta", "checksum"] => {
                        found.checksum_type = tag.get("type")?.unwrap_or_default();
                    }
                    _ => {}
                }
            }
            Node::Text(text) => found.text(&path, &text)?,
            Node::End if path.is_empty() => return Ok(xml.finish()?),
            Node::End => {
                let ended = path.pop();
                xml.forget();
                if ended.as_deref() == Some("delta") && path == ["newpackage"] {
                    each(std::mem::take(&mut found).package(&target))?;
                }
            }
            Node::Eof => return Ok(()),
        }
    }
}

/// The package that deltas make.
#[derive(Default)]
struct Target {
    name: String,
    architecture: String,
    evr: Option<Evr>,
}

impl Target {
    fn of(tag: &Tag<'_>) -> Result<Self, Invalid> {
        let name = tag.get("name")?.unwrap_or_default();
        let malformed = |what| Invalid::malformed(format!("the target {name:?} of a delta"), what);
        let word = |attribute, what| tag.get(attribute)?.filter(|word| is_word(word)).ok_or_else(|| malformed(what));
        let epoch = tag.get("epoch")?.unwrap_or_else(|| "0".to_owned());
        let evr = Evr {
            epoch: epoch.parse().map_err(|_| malformed("epoch"))?,
            version: word("version", "version")?,
            release: word("release", "release")?,
        };
        Ok(Self { name: word("name", "name")?, architecture: word("arch", "architecture")?, evr: Some(evr) })
    }
}

/// The content of an element `<delta>`.
#[derive(Default)]
struct Delta {
    file: String,
    size: String,
    checksum_type: String,
    checksum: String,
}

impl Delta {
    fn text(&mut self, path: &[String], text: &str) -> Result<(), Invalid> {
        let to = match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["newpackage", "delta", "filename"] => &mut self.file,
            ["newpackage", "delta", "size"] => &mut self.size,
            ["newpackage", "delta", "checksum"] => &mut self.checksum,
            _ => return Ok(()),
        };
        to.push_str(text);
        match to.len() > MAX_WORD_BYTES {
            true => Err(Invalid::malformed("a delta".to_owned(), "name, size or checksum")),
            false => Ok(()),
        }
    }

    fn package(self, target: &Target) -> Result<Package, OddEntry> {
        let place = format!("a delta for {}", target.name);
        let entry = if self.file.is_empty() { place.clone() } else { self.file.clone() };
        self.checked(place, target).map_err(|reason| OddEntry { entry, reason })
    }

    fn checked(self, place: String, target: &Target) -> Result<Package, Invalid> {
        let malformed = |what| Invalid::malformed(&place, what);
        let kind = checksum_kind(&self.checksum_type, || place.clone())?;
        let location = Location::parse(self.file.trim_ascii());
        let Location { file, foreign } =
            location.map_err(|source| Invalid::new(format!("{place} is at an unusable path")).because(source))?;
        Ok(Package {
            licence: String::new(),
            source_rpm: String::new(),
            name: target.name.clone(),
            architecture: target.architecture.clone(),
            evr: target.evr.clone().ok_or_else(|| malformed("target"))?,
            vendor: String::new(),
            file,
            foreign_location: foreign,
            digest: kind.parse(self.checksum.trim_ascii()).map_err(|_| malformed("checksum"))?,
            size: self.size.trim_ascii().parse().map_err(|_| malformed("size"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::refusal;

    const DIGEST: &str = "1eb7a408189279886e0df0d30b5089aec79d882259d9aca5649b1398605ba697";

    fn list(kind: &str, checksum: &str, file: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{kind}>\n  <newpackage name=\"big\" epoch=\"1\" version=\"2.0\" \
             release=\"1\" arch=\"noarch\">\n    <delta oldepoch=\"0\" oldversion=\"1.0\" oldrelease=\"1\">\n      \
             <filename>{file}</filename>\n      <sequence>big-1.0-1-1ac4</sequence>\n      <size>2243</size>\n      \
             <checksum type=\"{checksum}\">{DIGEST}</checksum>\n    </delta>\n    <delta oldversion=\"0.9\">\n      \
             <filename>drpms/b.drpm</filename><size>7</size><checksum type=\"sha256\">{DIGEST}</checksum>\n    \
             </delta>\n  </newpackage>\n</{kind}>\n"
        )
    }

    fn read(text: &str, kind: &str) -> Result<Vec<String>, Invalid> {
        let mut found = Vec::new();
        deltas(text.as_bytes(), kind, |entry| {
            let package = entry.map_err(|entry| entry.reason)?;
            found.push(format!("{} {} {}", package.nevra(), package.file, package.size));
            Ok::<(), Invalid>(())
        })?;
        Ok(found)
    }

    #[test]
    fn reads_both_kinds() {
        let expected = ["big-1:2.0-1.noarch drpms/a.drpm 2243", "big-1:2.0-1.noarch drpms/b.drpm 7"];
        for kind in DELTAS {
            assert_eq!(read(&list(kind, "sha256", "drpms/a.drpm"), kind).unwrap(), expected);
        }
        assert_eq!(read("<prestodelta/>", "prestodelta").unwrap(), [""; 0]);
    }

    #[test]
    fn refuses_what_it_cannot_vouch_for() {
        let text = |checksum, file| list("prestodelta", checksum, file);
        assert!(refusal(read(&text("sha1", "drpms/a"), "prestodelta")).contains("is broken"));
        assert!(refusal(read(&text("sha256", "http://x/a"), "prestodelta")).contains("unusable path"));
        assert!(refusal(read(&text("sha256", "a"), "deltainfo")).contains("it begins with"));
        let empty = "<prestodelta><newpackage name=\"a\" version=\"1\" release=\"1\" arch=\"x\"><delta><size>1</size></delta></newpackage></prestodelta>";
        assert!(refusal(read(empty, "prestodelta")).contains("only sha256, sha384 and sha512"));
        let nameless = "<prestodelta><newpackage version=\"1\" release=\"1\" arch=\"x\"/></prestodelta>";
        assert!(refusal(read(nameless, "prestodelta")).contains("has a malformed name"));
    }
}
