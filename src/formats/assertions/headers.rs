//! The headers of an assertion: names with values that are texts, lists or maps, nested by indentation.
//!
//! A value on the line of its name is a text. Otherwise the lines below are indented: four columns for a text of several
//! lines, `  -` for the entries of a list, `  name:` for those of a map; nested values are indented by two columns more at
//! each level. This is the grammar of snapd's `asserts/headers.go`, in which no value has a type but text.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::formats::Invalid;

/// Deepest nesting of lists and maps that is read, in levels. Real declarations have fewer than ten.
pub const MAX_DEPTH: usize = 32;

/// The headers, or one map among them.
pub type Headers = BTreeMap<String, Value>;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, of one line or several.
    Text(String),
    /// A list; never empty.
    List(Vec<Value>),
    /// A map; never empty.
    Map(Headers),
}

impl Value {
    /// The text, unless it is a list or a map.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The entries, unless it is a text or a map.
    pub fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The map, unless it is a text or a list.
    pub fn map(&self) -> Option<&Headers> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Whether `name` may name a header: lower-case letters and digits, a letter first, single dashes between.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(|word| !word.is_empty() && word.bytes().all(is_lower_alphanumeric))
}

/// Whether `name` is one of a snap or a key: as that of a header, but a letter anywhere is enough.
pub(super) fn is_dashed_name(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_lowercase())
        && name.split('-').all(|word| !word.is_empty() && word.bytes().all(is_lower_alphanumeric))
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Reads the headers, which end before the first empty line.
pub(super) fn not_utf8(what: &str) -> Invalid {
    Invalid::new(format!("its {what} is no UTF-8"))
}

pub(super) fn control_character(byte: u8) -> Invalid {
    Invalid::new(format!("its headers have a byte {byte:#04x}; were line ends converted?"))
}

/// Lines count from 1 in the assertion.
fn bad_header(line: usize, reason: &str) -> Invalid {
    Invalid::new(format!("line {line} is no header: {reason}"))
}

pub(super) fn parse(head: &[u8]) -> Result<Headers, Invalid> {
    let head = std::str::from_utf8(head).map_err(|_| not_utf8("headers"))?;
    // snapd takes both; no honest signer writes them, and they are what a conversion of line ends leaves behind.
    if let Some(byte) = head.bytes().find(|byte| matches!(byte, b'\r' | 0)) {
        return Err(control_character(byte));
    }
    let mut lines = HeaderLines { rest: head.split('\n').peekable(), number: 0 };
    let mut headers = Headers::new();
    while let Some(line) = lines.next() {
        entry(&mut headers, line, &mut lines, 0, 0)?;
    }
    Ok(headers)
}

/// The lines that are left.
struct HeaderLines<'a> {
    rest: std::iter::Peekable<std::str::Split<'a, char>>,
    /// That of the line taken last, counted from 1.
    number: usize,
}

impl<'a> HeaderLines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest.next()?;
        self.number += 1;
        Some(line)
    }

    /// What follows `indent` spaces in the next line, if it has so many.
    fn peek(&mut self, indent: usize) -> Option<&'a str> {
        strip_indent(self.rest.peek()?, indent)
    }

    fn flaw(&self, reason: &'static str) -> Invalid {
        bad_header(self.number, reason)
    }
}

fn strip_indent(line: &str, indent: usize) -> Option<&str> {
    let (spaces, rest) = line.split_at_checked(indent)?;
    spaces.bytes().all(|byte| byte == b' ').then_some(rest)
}

/// Adds what `line` introduces, `name: …`, to `map`. Values below it are indented relative to `indent`.
fn entry(
    map: &mut Headers,
    line: &str,
    lines: &mut HeaderLines<'_>,
    indent: usize,
    depth: usize,
) -> Result<(), Invalid> {
    let (name, rest) = line.split_once(':').ok_or_else(|| lines.flaw("it has no colon"))?;
    if !is_name(name) {
        return Err(lines.flaw("its name is malformed"));
    }
    let number = lines.number;
    let value = value(rest, lines, indent, depth)?;
    match map.entry(name.to_owned()) {
        Entry::Vacant(vacant) => vacant.insert(value),
        Entry::Occupied(_) => return Err(bad_header(number, "its name is there already")),
    };
    Ok(())
}

/// The value that begins with `rest` of a line and may go on below it.
fn value(rest: &str, lines: &mut HeaderLines<'_>, indent: usize, depth: usize) -> Result<Value, Invalid> {
    if depth > MAX_DEPTH {
        return Err(Invalid::new(format!("its headers are nested more than {MAX_DEPTH} deep")));
    }
    if !rest.is_empty() {
        let text = rest.strip_prefix(' ').ok_or_else(|| lines.flaw("no space stands before its value"))?;
        return Ok(Value::from(text));
    }
    match lines.peek(indent + 2) {
        Some(below) if below.starts_with('-') => list(lines, indent + 2, depth),
        Some(below) if !below.is_empty() && !below.starts_with(' ') => map(lines, indent + 2, depth),
        _ => multi_line(lines, indent + 4),
    }
}

fn list(lines: &mut HeaderLines<'_>, indent: usize, depth: usize) -> Result<Value, Invalid> {
    let mut list = Vec::new();
    while let Some(rest) = lines.peek(indent).and_then(|line| line.strip_prefix('-')) {
        lines.next();
        list.push(value(rest, lines, indent, depth + 1)?);
    }
    Ok(Value::List(list))
}

fn map(lines: &mut HeaderLines<'_>, indent: usize, depth: usize) -> Result<Value, Invalid> {
    let mut map = Headers::new();
    while let Some(line) = lines.peek(indent) {
        lines.next();
        entry(&mut map, line, lines, indent, depth + 1)?;
    }
    Ok(Value::Map(map))
}

fn multi_line(lines: &mut HeaderLines<'_>, indent: usize) -> Result<Value, Invalid> {
    let mut text: Option<String> = None;
    while let Some(line) = lines.peek(indent) {
        lines.next();
        match &mut text {
            None => text = Some(line.to_owned()),
            Some(text) => {
                text.push('\n');
                text.push_str(line);
            }
        }
    }
    text.map(Value::Text).ok_or_else(|| lines.flaw("it has no value"))
}
