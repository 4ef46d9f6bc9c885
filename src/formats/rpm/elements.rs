//! The `<package>` elements of a list, one by one, each with its bytes.

use std::io::BufRead;

use super::xml::{Node, Tag, Xml};
use crate::formats::Invalid;

/// Reads a list of packages, of any of its three kinds.
pub(super) struct Elements<R> {
    xml: Xml<R>,
    root: Tag<'static>,
    buffer: Vec<u8>,
}

/// One package's element.
pub(super) struct Element<'e> {
    /// From its start tag to its end tag.
    pub(super) bytes: &'e [u8],
    /// The attribute `pkgid`, which filelists and other have.
    pub(super) pkgid: Option<String>,
}

impl<R: BufRead> Elements<R> {
    /// Reads up to the first element; `kind` is what repomd.xml calls the list.
    pub(super) fn open(reader: R, kind: &str) -> Result<Self, Invalid> {
        let wanted = match kind {
            super::PRIMARY => "metadata",
            "filelists" => "filelists",
            _ => "otherdata",
        };
        let mut xml = Xml::new(reader);
        let mut buffer = Vec::new();
        let root = xml.root(wanted, &mut buffer)?;
        Ok(Self { xml, root, buffer })
    }

    /// The root's start tag, with another number of packages.
    pub(super) fn root_with(&self, packages: usize) -> String {
        self.root.with("packages", &packages.to_string())
    }

    /// The root's end tag.
    pub(super) fn root_end(&self) -> String {
        self.root.end()
    }

    /// The next package.
    pub(super) fn next(&mut self) -> Result<Option<Element<'_>>, Invalid> {
        let pkgid = loop {
            self.xml.forget();
            match self.xml.next(&mut self.buffer)? {
                Node::Start(tag) => {
                    let tag = Tag::of(tag)?;
                    if tag.name() != "package" {
                        return Err(Invalid::new("it has something other than packages, which no repository needs"));
                    }
                    break tag.get("pkgid")?;
                }
                Node::Text(text) if text.trim_ascii().is_empty() => {}
                Node::Text(_) => return Err(Invalid::new("it has text between packages, which no repository needs")),
                Node::End | Node::Eof => {
                    self.xml.finish()?;
                    return Ok(None);
                }
            }
        };
        while self.xml.depth() > 1 {
            self.xml.next(&mut self.buffer)?;
        }
        let bytes = self.xml.recorded();
        match bytes.starts_with(b"<") && bytes.ends_with(b">") {
            true => Ok(Some(Element { bytes, pkgid })),
            false => Err(Invalid::new("it has a package without its tags, which no repository needs")),
        }
    }
}

/// Returns the element of a package with another location. All other bytes stay.
pub(super) fn with_location(element: &[u8], location: &str) -> Result<Vec<u8>, Invalid> {
    let mut xml = Xml::new(element);
    let (mut buffer, mut out) = (Vec::new(), Vec::with_capacity(element.len()));
    loop {
        xml.forget();
        let node = xml.next(&mut buffer)?;
        let moved = match node {
            Node::Eof => return Ok(out),
            Node::Start(tag) => Some(Tag::of(tag)?).filter(|tag| tag.name() == "location"),
            Node::End | Node::Text(_) => None,
        };
        let moved =
            moved.map(|tag| tag.with_all(&[("href", Some(location)), ("xml:base", None)])).filter(|_| xml.depth() == 2);
        let bytes = xml.recorded();
        match moved {
            Some(tag) if bytes.ends_with(b"/>") => {
                out.extend_from_slice(tag.trim_end_matches('>').as_bytes());
                out.extend_from_slice(b"/>");
            }
            Some(tag) => out.extend_from_slice(tag.as_bytes()),
            None => out.extend_from_slice(bytes),
        }
    }
}
