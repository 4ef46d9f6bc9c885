//! What `primary` says of a package, as far as it has to be known to choose, fetch and check it.

use std::fmt;
use std::io::BufRead;

use super::elements::Elements;
use super::location::Location;
use super::xml::{Node, Tag, Xml};
use super::{Evr, PRIMARY, checksum_kind};
use crate::error_class::causes;
use crate::formats::Invalid;
use crate::formats::apt::archive::SourceName;
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;
use crate::terminal::{beginning, safe};

/// The longest name, version or vendor, in bytes.
pub(super) const MAX_WORD_BYTES: usize = 4096;

/// A package of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture, such as `x86_64`, `noarch` or `src`.
    pub architecture: String,
    /// Epoch, version and release.
    pub evr: Evr,
    /// Who made it, in its own words; may be empty.
    pub vendor: String,
    /// Its licence; empty if the list does not say.
    pub licence: String,
    /// The file name of its source package; empty if the list does not say.
    pub source_rpm: String,
    /// Its file, below the repository's root at the site.
    pub file: PublishPath,
    /// Its location at upstream, from the root or as a whole URL, if clients of upstream's own metadata do not ask for `file`.
    pub foreign_location: Option<String>,
    /// The digest of its file.
    pub digest: SignedDigest,
    /// The size of its file, in bytes.
    pub size: u64,
}

/// An entry of a list of packages that cannot be carried, though others of the list can.
#[derive(Debug)]
pub struct OddEntry {
    /// The file that it names, or else its package.
    pub entry: String,
    /// The reason.
    pub reason: Invalid,
}

impl Package {
    /// Name, epoch, version, release and architecture, as lists of module streams write it.
    pub fn nevra(&self) -> String {
        let Evr { epoch, version, release } = &self.evr;
        format!("{}-{epoch}:{version}-{release}.{}", self.name, self.architecture)
    }

    /// The source package that its file name gives; `None` if it has the same name, version and release, or there is none.
    pub fn source(&self) -> Option<SourceName<'_>> {
        let stem = [".src.rpm", ".nosrc.rpm"].iter().find_map(|suffix| self.source_rpm.strip_suffix(suffix))?;
        let (rest, release) = stem.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let version_and_release = stem.get(name.len() + 1..)?;
        let is_own = name == self.name && (version, release) == (&self.evr.version, &self.evr.release);
        let is_good = [name, version, release].into_iter().all(is_word);
        (is_good && !is_own).then_some(SourceName { name, version: version_and_release })
    }

    /// Its path below the repository's root at upstream, or the whole URL.
    pub fn place_at_upstream(&self) -> &str {
        self.foreign_location.as_deref().unwrap_or(self.file.as_str())
    }
}

impl fmt::Display for OddEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", safe(&self.entry), causes(&self.reason).join(": "))
    }
}

/// Calls `each` for every entry of a list of packages, with the bytes of its element.
pub fn packages<E: From<Invalid>>(
    primary: impl BufRead,
    mut each: impl FnMut(Result<Package, OddEntry>, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut elements = Elements::open(primary, PRIMARY)?;
    while let Some(element) = elements.next()? {
        each(parse(element.bytes)?, element.bytes)?;
    }
    Ok(())
}

/// What is found in an element.
#[derive(Default)]
struct PackageFields {
    name: String,
    architecture: String,
    vendor: String,
    licence: String,
    source_rpm: String,
    evr: Option<Result<Evr, &'static str>>,
    checksum_type: String,
    checksum: String,
    location: Option<String>,
    base: Option<String>,
    size: Option<String>,
}

/// Reads the element of one package.
pub(super) fn parse(element: &[u8]) -> Result<Result<Package, OddEntry>, Invalid> {
    let mut xml = Xml::new(element);
    let (mut buffer, mut path, mut found) = (Vec::new(), Vec::<String>::new(), PackageFields::default());
    loop {
        match xml.next(&mut buffer)? {
            Node::Start(tag) => {
                let tag = Tag::of(tag)?;
                path.push(tag.name().to_owned());
                if path.len() == 2 {
                    found.attributes(&tag)?;
                }
            }
            Node::Text(text) => found.text(&path, &text)?,
            Node::End => drop(path.pop()),
            Node::Eof => return Ok(found.package()),
        }
    }
}

impl PackageFields {
    /// Notes the attributes of an element that stands directly in the package's; of two, the last counts, as for libsolv.
    fn attributes(&mut self, tag: &Tag<'_>) -> Result<(), Invalid> {
        match tag.name() {
            "version" => {
                let [epoch, version, release] = [tag.get("epoch")?, tag.get("ver")?, tag.get("rel")?];
                self.evr = Some(evr(epoch, version, release));
            }
            "checksum" => {
                (self.checksum, self.checksum_type) = (String::new(), tag.get("type")?.unwrap_or_default());
            }
            "location" => {
                self.base = tag.get("xml:base")?.filter(|base| !base.is_empty());
                self.location = tag.get("href")?;
            }
            "size" => self.size = tag.get("package")?,
            "name" => self.name.clear(),
            "arch" => self.architecture.clear(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, path: &[String], text: &str) -> Result<(), Invalid> {
        let mut names = path.iter().map(String::as_str);
        let to = match [names.next(), names.next(), names.next(), names.next()] {
            [Some(_), Some("name"), None, _] => &mut self.name,
            [Some(_), Some("arch"), None, _] => &mut self.architecture,
            [Some(_), Some("checksum"), None, _] => &mut self.checksum,
            [Some(_), Some("format"), Some("vendor"), None] => &mut self.vendor,
            [Some(_), Some("format"), Some("sourcerpm"), None] => &mut self.source_rpm,
            [Some(_), Some("format"), Some("license"), None] => {
                // Nobody decides by it, so a long one does not stop the package.
                let room = MAX_WORD_BYTES.saturating_sub(self.licence.len());
                self.licence.push_str(beginning(text, room));
                return Ok(());
            }
            _ => return Ok(()),
        };
        to.push_str(text);
        match to.len() > MAX_WORD_BYTES {
            true => Err(Invalid::malformed("a package".to_owned(), "name, architecture, vendor or source")),
            false => Ok(()),
        }
    }

    fn package(mut self) -> Result<Package, OddEntry> {
        let location = self.location.take().filter(|location| !location.is_empty());
        let name = if self.name.is_empty() { "a package" } else { &self.name }.to_owned();
        let entry = location.clone().unwrap_or_else(|| name.clone());
        self.checked(&name, location).map_err(|reason| OddEntry { entry, reason })
    }

    fn checked(self, place: &str, location: Option<String>) -> Result<Package, Invalid> {
        let malformed = |what| Invalid::malformed(place, what);
        let lacks = |what| Invalid::lacks(place, what);
        if !is_name(&self.name) {
            return Err(malformed("name"));
        }
        if !is_word(&self.architecture) {
            return Err(malformed("architecture"));
        }
        if self.checksum_type.is_empty() {
            return Err(lacks("checksum"));
        }
        let kind = checksum_kind(&self.checksum_type, || place.to_owned())?;
        let location = location.ok_or_else(|| lacks("location"))?;
        let location = match &self.base {
            None => Location::parse(&location),
            Some(base) => {
                let elsewhere = Location::at_base(base, &location);
                elsewhere.ok_or_else(|| super::other_base(place, base))?
            }
        };
        let Location { file, foreign } =
            location.map_err(|source| Invalid::new(format!("{place} is at an unusable path")).because(source))?;
        Ok(Package {
            file,
            foreign_location: foreign,
            size: self.size.ok_or_else(|| lacks("size"))?.parse().map_err(|_| malformed("size"))?,
            digest: kind.parse(self.checksum.trim_ascii()).map_err(|_| malformed("checksum"))?,
            evr: self.evr.ok_or_else(|| lacks("version"))?.map_err(malformed)?,
            vendor: self.vendor.trim_ascii().to_owned(),
            licence: self.licence.trim_ascii().to_owned(),
            source_rpm: self.source_rpm.trim_ascii().to_owned(),
            name: self.name,
            architecture: self.architecture,
        })
    }
}

/// Epoch, version and release from their attributes, or the name of the malformed one.
fn evr(epoch: Option<String>, version: Option<String>, release: Option<String>) -> Result<Evr, &'static str> {
    let epoch = epoch.filter(|epoch| !epoch.is_empty()).unwrap_or_else(|| "0".to_owned());
    let word = |word: Option<String>, what| word.filter(|word| is_word(word)).ok_or(what);
    Ok(Evr {
        epoch: epoch.parse().map_err(|_| "epoch")?,
        version: word(version, "version")?,
        release: word(release, "release")?,
    })
}

/// Returns true for visible ASCII, as versions and architectures are.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_WORD_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns true for words with blanks between them. No package has a blank in its name; dnf takes lists that say so.
fn is_name(text: &str) -> bool {
    text.split(' ').all(is_word)
}
