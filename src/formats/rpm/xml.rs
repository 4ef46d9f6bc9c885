//! XML as far as repositories use it: elements, attributes and text. Everything else that XML could do is refused, and what
//! one element may take is bounded.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use crate::formats::Invalid;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// How deep elements may be nested. Real metadata has six levels.
const MAX_DEPTH: usize = 16;
/// The most that one package's element may take, in bytes. The longest real lists of files have some 10 MB.
const MAX_ELEMENT_BYTES: usize = 64 << 20;

/// What comes next.
pub(super) enum Node<'b> {
    /// A start tag; one of an empty element is followed by its end.
    Start(BytesStart<'b>),
    /// An end tag.
    End,
    /// Text, expanded.
    Text(Cow<'b, str>),
    /// The end of the document.
    Eof,
}

/// A reader of XML that remembers the bytes that it has read since it was last told to forget them.
pub(super) struct Xml<R> {
    reader: Reader<Recorder<R>>,
    depth: usize,
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(inner: R) -> Self {
        let mut reader = Reader::from_reader(Recorder { inner, bytes: Vec::new() });
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Self { reader, depth: 0 }
    }

    /// The next node; `buffer` is where it stands.
    pub(super) fn next<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Node<'b>, Invalid> {
        buffer.clear();
        Ok(match self.reader.read_event_into(buffer).map_err(bad_xml)? {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(Invalid::new("it has elements nested too deep, which no repository needs"));
                }
                Node::Start(tag)
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Node::End
            }
            Event::Text(text) => Node::Text(text.into_inner()),
            Event::CData(text) => Node::Text(text.into_inner()),
            Event::GeneralRef(reference) => Node::Text(expand(&reference)?),
            Event::Decl(declaration) => check(&declaration)?,
            // Empty elements come as two nodes; an instruction such as a stylesheet's means nothing to clients.
            Event::Comment(_) | Event::Empty(_) | Event::PI(_) => Node::Text(Cow::Borrowed("")),
            Event::DocType(_) => return Err(Invalid::new("it has a document type, which no repository needs")),
            Event::Eof if self.depth > 0 => {
                return Err(Invalid::new("it has an end in the middle, which no repository needs"));
            }
            Event::Eof => Node::Eof,
        })
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Forgets the bytes read so far.
    pub(super) fn forget(&mut self) {
        self.reader.get_mut().bytes.clear();
    }

    /// The bytes read since.
    pub(super) fn recorded(&mut self) -> &[u8] {
        &self.reader.get_mut().bytes
    }

    /// The start tag of the document.
    pub(super) fn root(&mut self, wanted: &'static str, buffer: &mut Vec<u8>) -> Result<Tag<'static>, Invalid> {
        let found = loop {
            match self.next(buffer)? {
                Node::Start(tag) => break Tag::of(tag.into_owned())?,
                Node::Text(text) if text.trim_ascii().is_empty() => {}
                Node::Eof | Node::End | Node::Text(_) => return Err(other_root("", wanted)),
            }
        };
        match found.name() == wanted {
            true => Ok(found),
            false => Err(other_root(found.name(), wanted)),
        }
    }

    /// Reads to the end of the document, where nothing but space may stand.
    pub(super) fn finish(&mut self) -> Result<(), Invalid> {
        let mut buffer = Vec::new();
        loop {
            match self.next(&mut buffer)? {
                Node::Eof => return Ok(()),
                Node::Text(text) if text.trim_ascii().is_empty() => self.forget(),
                _ => return Err(Invalid::new("it has something behind its end, which no repository needs")),
            }
        }
    }
}

/// A start tag, whose attributes are known to be well-formed.
pub(super) struct Tag<'b>(BytesStart<'b>);

impl<'b> Tag<'b> {
    pub(super) fn of(tag: BytesStart<'b>) -> Result<Self, Invalid> {
        match tag.attributes().find_map(Result::err) {
            None => Ok(Self(tag)),
            Some(error) => Err(bad_xml(error.into())),
        }
    }

    /// Its name without a prefix.
    pub(super) fn name(&self) -> &str {
        let name = self.0.name().0;
        name.rsplit_once(':').map_or(name, |(_, name)| name)
    }

    /// The end tag for it.
    pub(super) fn end(&self) -> String {
        format!("</{}>", self.0.name().0)
    }

    /// The value of an attribute.
    pub(super) fn get(&self, attribute: &str) -> Result<Option<String>, Invalid> {
        let Some(found) = self.0.try_get_attribute(attribute).map_err(|error| bad_xml(error.into()))? else {
            return Ok(None);
        };
        Ok(Some(found.normalized_value(XmlVersion::Explicit1_0).map_err(bad_xml)?.into_owned()))
    }

    /// The same tag with another value of `attribute`, which needs no escaping.
    pub(super) fn with(&self, attribute: &str, value: &str) -> String {
        self.with_all(&[(attribute, Some(value))])
    }

    /// The same tag with other values of attributes, which need no escaping. Those without a value are left out.
    pub(super) fn with_all(&self, values: &[(&str, Option<&str>)]) -> String {
        let mut text = format!("<{}", self.0.name().0);
        for found in self.0.attributes().flatten() {
            let (key, raw): (&str, &str) = (found.key.0, &found.value);
            let other = values.iter().find(|(attribute, _)| *attribute == key).map(|(_, value)| *value);
            let Some(raw) = other.unwrap_or(Some(raw)) else { continue };
            let quote = if raw.contains('"') { '\'' } else { '"' };
            text += &format!(" {key}={quote}{raw}{quote}");
        }
        text + ">"
    }
}

/// A character that is written as a reference; entities of a document's own are none.
fn expand<'b>(reference: &BytesRef<'b>) -> Result<Cow<'b, str>, Invalid> {
    if let Some(character) = reference.resolve_char_ref().map_err(bad_xml)? {
        return Ok(character.to_string().into());
    }
    match quick_xml::escape::resolve_xml_entity(reference) {
        Some(text) => Ok(text.into()),
        None => Err(Invalid::new("it has an entity of its own, which no repository needs")),
    }
}

fn bad_xml(error: quick_xml::Error) -> Invalid {
    Invalid::new("it is no usable XML").because(error)
}

fn other_root(found: &str, wanted: &str) -> Invalid {
    Invalid::new(format!("it begins with <{found}>, where <{wanted}> is expected"))
}

fn check<'b>(declaration: &BytesDecl<'_>) -> Result<Node<'b>, Invalid> {
    match declaration.encoding().transpose().map_err(|error| bad_xml(error.into()))? {
        Some(encoding) if !encoding.eq_ignore_ascii_case("utf-8") => {
            Err(Invalid::new("it has another encoding than UTF-8, which no repository needs"))
        }
        _ => Ok(Node::Text(Cow::Borrowed(""))),
    }
}

/// Remembers what is read through it.
struct Recorder<R> {
    inner: R,
    bytes: Vec<u8>,
}

impl<R: BufRead> Read for Recorder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Recorder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.len() > MAX_ELEMENT_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an element is larger than any real one"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Some(read) = self.inner.fill_buf().ok().and_then(|buffer| buffer.get(..count)) {
            self.bytes.extend_from_slice(read);
        }
        self.inner.consume(count);
    }
}
