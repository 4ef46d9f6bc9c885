//! Limits of what a feed may make its reader keep.

use std::io::{self, BufRead, Read};

use crate::formats::{Invalid, ReadError};

/// The most that a feed may have after it is unpacked, in bytes. Debian's tracker has some 100 MB.
const MAX_PLAIN_BYTES: u64 = 4 << 30;
/// The longest line, or text in JSON, in bytes. Descriptions of vulnerabilities have some kilobytes.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// The deepest nesting of JSON. Feeds have some ten levels.
const MAX_DEPTH: usize = 64;
/// The longest name or version of a package, or name of a vulnerability, in bytes.
const MAX_NAME_BYTES: usize = 512;
/// The most statements of one feed. Debian's tracker has some 300,000.
const MAX_STATEMENTS: u64 = 50_000_000;

/// Counts what a feed says.
#[derive(Debug, Default)]
pub(super) struct StatementCount(u64);

impl StatementCount {
    /// Counts a statement. Fails if there are too many.
    pub(super) fn add(&mut self) -> Result<(), Invalid> {
        self.0 += 1;
        match self.0 > MAX_STATEMENTS {
            true => Err(Invalid::new(format!("it makes more than {MAX_STATEMENTS} statements, which no feed does"))),
            false => Ok(()),
        }
    }
}

/// Checks a name or a version: not empty, of a sane length, and without control characters.
pub(super) fn name(what: &'static str, text: &str) -> Result<String, Invalid> {
    match text.is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
        true => Err(Invalid::at(text.chars().take(80).collect::<String>(), format!("it is no usable {what}"))),
        false => Ok(text.to_owned()),
    }
}

/// Limits a reader to what a feed may have. The error comes with the first byte too many.
pub(super) fn capped<R: Read>(inner: R) -> CappedFeed<R> {
    CappedFeed { inner, left: MAX_PLAIN_BYTES }
}

/// A reader with an end.
pub(super) struct CappedFeed<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for CappedFeed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            too_much(format!("it has more than {MAX_PLAIN_BYTES} bytes once it is unpacked, which no feed has"))
        })?;
        Ok(count)
    }
}

/// Refuses JSON with a longer text or a deeper nesting than any feed has, before the parser has it in memory.
pub(super) struct BoundedJson<R> {
    inner: R,
    /// The bytes of the text that it is in; `None` outside of texts.
    length: Option<usize>,
    is_escaped: bool,
    depth: usize,
}

impl<R: Read> BoundedJson<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, length: None, is_escaped: false, depth: 0 }
    }

    fn pass(&mut self, byte: u8) -> io::Result<()> {
        match (&mut self.length, byte) {
            (None, b'"') => self.length = Some(0),
            (None, b'{' | b'[') if self.depth >= MAX_DEPTH => {
                return Err(too_much(format!("it is nested in more than {MAX_DEPTH} levels")));
            }
            (None, b'{' | b'[') => self.depth += 1,
            (None, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
            (Some(length), _) => {
                *length += 1;
                if *length > MAX_TEXT_BYTES {
                    return Err(too_much(format!("it has a text of more than {MAX_TEXT_BYTES} bytes")));
                }
                match (self.is_escaped, byte) {
                    (true, _) => self.is_escaped = false,
                    (false, b'\\') => self.is_escaped = true,
                    (false, b'"') => self.length = None,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for BoundedJson<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        buffer.iter().take(count).try_for_each(|byte| self.pass(*byte))?;
        Ok(count)
    }
}

fn too_much(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Invalid::new(what))
}

/// Tells errors of the disk from those of the content, which decoders and limits report as errors of reading too.
pub(super) fn read_error(error: io::Error) -> ReadError {
    if error.raw_os_error().is_some() {
        return ReadError::Io(error);
    }
    match error.downcast::<Invalid>() {
        Ok(invalid) => invalid.into(),
        Err(error) => Invalid::new("it is damaged, or ends too early").because(error).into(),
    }
}

/// The same of errors of the JSON parser.
pub(super) fn json_error(error: serde_json::Error) -> ReadError {
    match error.is_io() {
        true => read_error(error.into()),
        false => Invalid::new("it is no usable JSON").because(error).into(),
    }
}

/// Reads the next line without its end into `line`. Returns `false` at the end of the file.
pub(super) fn next_line(from: &mut impl BufRead, line: &mut String) -> Result<bool, ReadError> {
    line.clear();
    let mut bytes = std::mem::take(line).into_bytes();
    let read = from.by_ref().take(MAX_TEXT_BYTES as u64 + 1).read_until(b'\n', &mut bytes).map_err(read_error)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(ReadError::invalid(format!("it has a line of more than {MAX_TEXT_BYTES} bytes")));
    }
    *line = String::from_utf8(bytes).map_err(|_| Invalid::new("it has a line that is not UTF-8"))?;
    Ok(read > 0)
}
