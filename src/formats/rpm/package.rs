//! What `primary` says of a package, as far as it has to be known to choose, fetch and check it.

use std::io::BufRead;

use super::elements::Elements;
use super::xml::{Node, Tag, Xml};
use super::{Evr, PRIMARY, RpmError, checksum_kind};
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;

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
    /// Its file, below the repository's root.
    pub file: PublishPath,
    /// The digest of its file.
    pub digest: SignedDigest,
    /// The size of its file, in bytes.
    pub size: u64,
}

impl Package {
    /// Name, epoch, version, release and architecture, as lists of module streams write it.
    pub fn nevra(&self) -> String {
        let Evr { epoch, version, release } = &self.evr;
        format!("{}-{epoch}:{version}-{release}.{}", self.name, self.architecture)
    }
}

/// Calls `each` for every package of a list of them, with the bytes of its element.
pub fn packages<E: From<RpmError>>(
    primary: impl BufRead,
    mut each: impl FnMut(Package, &[u8]) -> Result<(), E>,
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
    evr: Option<Evr>,
    checksum_type: String,
    checksum: String,
    location: Option<String>,
    base: bool,
    size: Option<String>,
}

/// Reads the element of one package.
pub(super) fn parse(element: &[u8]) -> Result<Package, RpmError> {
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
            Node::Eof => return found.package(),
        }
    }
}

impl PackageFields {
    /// Notes the attributes of an element that stands directly in the package's; of two, the last counts, as for libsolv.
    fn attributes(&mut self, tag: &Tag<'_>) -> Result<(), RpmError> {
        match tag.name() {
            "version" => {
                let malformed = |what| RpmError::Malformed { place: self.name.clone(), what };
                let epoch = tag.get("epoch")?.filter(|epoch| !epoch.is_empty()).unwrap_or_else(|| "0".to_owned());
                let epoch = epoch.parse().map_err(|_| malformed("epoch"))?;
                let word = |name, what| tag.get(name)?.filter(|word| is_word(word)).ok_or_else(|| malformed(what));
                self.evr = Some(Evr { epoch, version: word("ver", "version")?, release: word("rel", "release")? });
            }
            "checksum" => {
                (self.checksum, self.checksum_type) = (String::new(), tag.get("type")?.unwrap_or_default());
            }
            "location" => {
                self.base = tag.get("xml:base")?.is_some_and(|base| !base.is_empty());
                self.location = tag.get("href")?;
            }
            "size" => self.size = tag.get("package")?,
            "name" => self.name.clear(),
            "arch" => self.architecture.clear(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, path: &[String], text: &str) -> Result<(), RpmError> {
        let mut names = path.iter().map(String::as_str);
        let to = match [names.next(), names.next(), names.next(), names.next()] {
            [Some(_), Some("name"), None, _] => &mut self.name,
            [Some(_), Some("arch"), None, _] => &mut self.architecture,
            [Some(_), Some("checksum"), None, _] => &mut self.checksum,
            [Some(_), Some("format"), Some("vendor"), None] => &mut self.vendor,
            _ => return Ok(()),
        };
        to.push_str(text);
        match to.len() > MAX_WORD_BYTES {
            true => Err(RpmError::Malformed { place: "a package".to_owned(), what: "name, architecture or vendor" }),
            false => Ok(()),
        }
    }

    fn package(self) -> Result<Package, RpmError> {
        let place = || if self.name.is_empty() { "a package".to_owned() } else { self.name.clone() };
        let malformed = |what| RpmError::Malformed { place: place(), what };
        let lacks = |what| RpmError::Lacks { place: place(), what };
        if !is_word(&self.name) {
            return Err(malformed("name"));
        }
        if !is_word(&self.architecture) {
            return Err(malformed("architecture"));
        }
        let kind = checksum_kind(&self.checksum_type, place)?;
        if self.base {
            return Err(RpmError::Base { place: place() });
        }
        let file = self.location.as_ref().ok_or_else(|| lacks("location"))?;
        let file = PublishPath::normalized(file).map_err(|source| RpmError::Path { place: place(), source })?;
        let size = self.size.as_ref().ok_or_else(|| lacks("size"))?;
        Ok(Package {
            file,
            size: size.parse().map_err(|_| malformed("size"))?,
            digest: kind.parse(self.checksum.trim_ascii()).map_err(|_| malformed("checksum"))?,
            evr: self.evr.clone().ok_or_else(|| lacks("version"))?,
            vendor: self.vendor.trim_ascii().to_owned(),
            name: self.name,
            architecture: self.architecture,
        })
    }
}

/// Whether it is visible ASCII, as names, versions and architectures are.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_WORD_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}
