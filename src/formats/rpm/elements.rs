//! The `<package>` elements of a list, one by one, each with its bytes.

use std::io::BufRead;

use super::RpmError;
use super::xml::{Node, Tag, Xml};

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
    pub(super) fn open(reader: R, kind: &str) -> Result<Self, RpmError> {
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
    pub(super) fn next(&mut self) -> Result<Option<Element<'_>>, RpmError> {
        let pkgid = loop {
            self.xml.forget();
            match self.xml.next(&mut self.buffer)? {
                Node::Start(tag) => {
                    let tag = Tag::of(tag)?;
                    if tag.name() != "package" {
                        return Err(RpmError::Unwanted { what: "something other than packages" });
                    }
                    break tag.get("pkgid")?;
                }
                Node::Text(text) if text.trim_ascii().is_empty() => {}
                Node::Text(_) => return Err(RpmError::Unwanted { what: "text between packages" }),
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
            false => Err(RpmError::Unwanted { what: "a package without its tags" }),
        }
    }
}
