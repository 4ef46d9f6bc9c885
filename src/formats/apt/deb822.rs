//! Control data (deb-control(5), Debian Policy chapter 5): stanzas of fields, sliced out of a text without copying.
//!
//! Line by line as apt reads it: a stanza ends at an empty line, a line that begins with a space or a tab goes on with
//! the field before it, and comments do not exist. A line that is neither is passed over with what continues it.

/// The stanzas of a text, in order. Any bytes are valid input.
#[derive(Clone, Debug)]
pub struct Stanzas<'a> {
    rest: &'a [u8],
}

/// One stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza<'a> {
    bytes: &'a [u8],
}

/// The fields of a stanza, in order, duplicates included.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    /// True if a line was passed over that is no field: apt cannot read an index with such a line.
    pub has_stray_line: bool,
}

/// One field of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it is written; names are compared without regard to case.
    pub name: &'a [u8],
    /// The value with its continuation lines, without white space at either end.
    pub value: &'a [u8],
}

impl<'a> Stanzas<'a> {
    /// The stanzas of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Stanza<'a>;

    fn next(&mut self) -> Option<Stanza<'a>> {
        loop {
            let (line, rest) = split_line(self.rest)?;
            if !is_blank(line) {
                break;
            }
            self.rest = rest;
        }
        let (bytes, rest) = split_stanza(self.rest);
        self.rest = rest;
        Some(Stanza { bytes })
    }
}

impl<'a> Stanza<'a> {
    /// Its exact bytes, without the newline that ends its last line: an index is written as these with two newlines each.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its fields.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.bytes, has_stray_line: false }
    }

    /// The value of the last field of this name, which is the one that apt goes by. A value that is not UTF-8 counts as
    /// absent.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let field = self.fields().filter(|field| field.is(name)).last()?;
        std::str::from_utf8(field.value).ok()
    }
}

impl Field<'_> {
    /// Whether this is the field `name`.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let (logical, rest) = split_logical_line(self.rest)?;
            self.rest = rest;
            let colon = logical.iter().position(|byte| matches!(byte, b':' | b'\n'));
            let Some(colon) = colon.filter(|colon| logical[*colon] == b':') else {
                self.has_stray_line = true;
                continue;
            };
            let (name, value) = (&logical[..colon], &logical[colon + 1..]);
            if !name.is_empty() && !continues(name) {
                return Some(Field { name: name.trim_ascii_end(), value: value.trim_ascii() });
            }
        }
    }
}

/// The lines of a multi-line value, without white space at either end and without empty ones.
pub fn lines(value: &str) -> impl Iterator<Item = &str> {
    value.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The first line without its newline, and what follows; nothing at the end of the text.
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match memchr::memchr(b'\n', text) {
        Some(end) => Some((&text[..end], &text[end + 1..])),
        None if text.is_empty() => None,
        None => Some((text, &[])),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\r')
}

fn continues(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// A stanza that begins at the start of `text`, without its last newline, and what follows it.
fn split_stanza(text: &[u8]) -> (&[u8], &[u8]) {
    for end in memchr::memchr_iter(b'\n', text) {
        let rest = &text[end + 1..];
        if let Some(b'\n' | b'\r') = rest.first()
            && let Some((line, after)) = split_line(rest)
            && is_blank(line)
        {
            return (&text[..end], after);
        }
    }
    (text.strip_suffix(b"\n").unwrap_or(text), &[])
}

/// The first line together with those that continue it, and what follows.
fn split_logical_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let mut ends = memchr::memchr_iter(b'\n', text);
    let end = ends.find(|end| !continues(&text[end + 1..])).unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str =
        "\n\nPackage: a\nDepends: b,\n c\n .\n\td\nEmpty:\nx-Y:z\n\r\n\nPackage:  q  \nno colon\n : lost\nÄ: 1\n";

    #[test]
    fn stanzas_keep_their_exact_bytes() {
        let stanzas: Vec<_> = Stanzas::new(TEXT.as_bytes()).map(|s| String::from_utf8_lossy(s.bytes())).collect();
        assert_eq!(
            stanzas,
            ["Package: a\nDepends: b,\n c\n .\n\td\nEmpty:\nx-Y:z", "Package:  q  \nno colon\n : lost\nÄ: 1"]
        );
        assert_eq!(Stanzas::new(b"\n\r\n").count(), 0);
    }

    #[test]
    fn fields_are_found_whatever_their_case() {
        let mut stanzas = Stanzas::new(TEXT.as_bytes());
        let (first, second) = (stanzas.next().unwrap(), stanzas.next().unwrap());
        assert_eq!(first.field("DEPENDS"), Some("b,\n c\n .\n\td"));
        assert_eq!(lines(first.field("depends").unwrap()).collect::<Vec<_>>(), ["b,", "c", ".", "d"]);
        assert_eq!((first.field("Empty"), first.field("X-y"), first.field("Depend")), (Some(""), Some("z"), None));
        assert_eq!((second.field("package"), second.field("Ä"), second.fields().count()), (Some("q"), Some("1"), 2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for stanza in Stanzas::new(&bytes) {
                prop_assert!(!stanza.bytes().is_empty());
                let _ = stanza.fields().count();
            }
        }

        #[test]
        fn lines_of_any_kind_are_read(text in "([A:\\- \t\r]{0,4}\n){0,30}") {
            let mut joined = Vec::new();
            for stanza in Stanzas::new(text.as_bytes()) {
                joined.extend_from_slice(stanza.bytes());
                joined.extend_from_slice(b"\n\n");
            }
            // Written out again and read again, the stanzas are the same.
            let again: Vec<_> = Stanzas::new(&joined).collect();
            prop_assert_eq!(Stanzas::new(text.as_bytes()).collect::<Vec<_>>(), again);
        }
    }
}
