//! Cuts the indexes of client programs down to the packages that are there: lists of files, of programs and of commands.
//!
//! What stays is upstream's own text. Lists of files are read as a stream, since those of Debian hold half a gigabyte.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read as _, Write};

use super::deb822::Stanzas;

/// The longest line of a list of files, in bytes. Debian's longest have some 3 kB.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Names of packages.
pub type Names<'a> = BTreeSet<&'a str>;

/// Copies the lines of `Contents-ARCH` whose files are in `packages`, and names no other package in them. Old archives have a
/// head, which goes.
pub fn cut_contents(mut list: impl BufRead, packages: &Names<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if list.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any real one"));
        }
        cut_line(line.trim_ascii_end(), packages, out)?;
    }
}

/// Copies a line of file name, blanks and SECTION/PACKAGE, separated by commas.
fn cut_line(line: &[u8], packages: &Names<'_>, out: &mut impl Write) -> io::Result<()> {
    let Some(at) = line.iter().rposition(u8::is_ascii_whitespace) else { return Ok(()) };
    let (file, owners) = line.split_at(at + 1);
    let is_kept = |owner: &&[u8]| {
        let name = owner.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        std::str::from_utf8(name).is_ok_and(|name| packages.contains(name))
    };
    let kept: Vec<&[u8]> = owners.split(|byte| *byte == b',').filter(is_kept).collect();
    if kept.is_empty() {
        return Ok(());
    }
    out.write_all(file)?;
    out.write_all(&kept.join(&b','))?;
    out.write_all(b"\n")
}

/// An index that is being cut: its head, and what is kept of the rest. Blocks of [`IndexBlocks`](super::index_blocks::IndexBlocks) are
/// added one after the other.
#[derive(Debug, Default)]
pub struct CutIndex {
    head: Vec<u8>,
    kept: Vec<u8>,
}

impl CutIndex {
    /// Adds those stanzas of a part of `Commands-ARCH` that are of `packages`.
    pub fn add_commands(&mut self, block: &[u8], packages: &Names<'_>) {
        for stanza in Stanzas::new(block) {
            let to = match stanza.field("name") {
                None => &mut self.head,
                Some(name) if packages.contains(name) => &mut self.kept,
                Some(_) => continue,
            };
            to.extend_from_slice(stanza.bytes());
            to.extend_from_slice(b"\n\n");
        }
    }

    /// Adds those documents of a part of `Components-ARCH.yml` that are of `packages`. The head is the document that names no package.
    pub fn add_components(&mut self, block: &[u8], packages: &Names<'_>) {
        for document in documents(block) {
            match lines(document).find_map(package_of) {
                None if lines(document).all(is_empty) => {}
                None => append(&mut self.head, document),
                Some(name) if packages.contains(name) => append(&mut self.kept, document),
                Some(_) => {}
            }
        }
    }

    /// The size of what is kept, in bytes.
    pub fn size(&self) -> usize {
        self.head.len() + self.kept.len()
    }

    /// The whole text; empty if nothing but the head is left, so that no client has to ask for it.
    pub fn finish(self) -> Vec<u8> {
        if self.kept.is_empty() { Vec::new() } else { [self.head, self.kept].concat() }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// The documents of a YAML stream. `---` begins one, and `...` ends one.
fn documents(text: &[u8]) -> Vec<&[u8]> {
    let (mut documents, mut start, mut at) = (Vec::new(), 0, 0);
    let mut end_at = |end: usize| {
        documents.extend(text.get(start..end).filter(|document| !document.is_empty()));
        start = end;
    };
    for line in lines(text) {
        if is_start(line) {
            end_at(at);
        }
        at += line.len();
        if is_marker(line, b"...") {
            end_at(at);
        }
    }
    end_at(at);
    documents
}

/// Adds a document, which need not begin with a marker in its own stream, and need not end with a line end.
fn append(out: &mut Vec<u8>, document: &[u8]) {
    let is_bare = !lines(document).any(is_start) && lines(document).any(is_content);
    out.extend_from_slice(if is_bare { b"---\n" } else { b"" });
    out.extend_from_slice(document);
    if out.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}

fn is_start(line: &[u8]) -> bool {
    is_marker(line, b"---")
}

/// Returns true for a line that begins with the marker and white space (YAML 1.2, 9.1.2).
fn is_marker(line: &[u8], marker: &[u8]) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

fn is_empty(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || is_marker(line, b"...")
}

/// Returns true for lines that are neither empty, comments nor directives.
fn is_content(line: &[u8]) -> bool {
    !is_empty(line) && !line.starts_with(b"#") && !line.starts_with(b"%")
}

/// The package that a line of a document names, with or without quotes.
fn package_of(line: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(line).ok()?.strip_prefix("Package:")?.trim();
    Some(value.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut_commands(text: &[u8], packages: &Names<'_>) -> Vec<u8> {
        let mut cut = CutIndex::default();
        cut.add_commands(text, packages);
        cut.finish()
    }

    fn cut_components(text: &[u8], packages: &Names<'_>) -> Vec<u8> {
        let mut cut = CutIndex::default();
        cut.add_components(text, packages);
        cut.finish()
    }

    fn contents(text: &[u8], packages: &[&str]) -> String {
        let mut out = Vec::new();
        cut_contents(text, &packages.iter().copied().collect(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lists_of_files_keep_the_owners_that_are_there() {
        let text = b"A head\nFILE    LOCATION\nbin/a   admin/a,contrib/net/b\nbin/with a blank\tc\nbin/other x/d,y/e\nbin/a2 a\n";
        assert_eq!(contents(text, &["a", "c"]), "bin/a   admin/a\nbin/with a blank\tc\nbin/a2 a\n");
        assert_eq!(contents(text, &["b"]), "bin/a   contrib/net/b\n");
        assert_eq!(contents(text, &["bin", ""]), "");
        let long = vec![b'x'; 2 << 20];
        assert!(cut_contents(long.as_slice(), &Names::new(), &mut Vec::new()).is_err());
    }

    #[test]
    fn commands_keep_their_head() {
        let head = "suite: stable\ncomponent: main\narch: amd64\n\n";
        let stanza = |name: &str| format!("name: {name}\nversion: 1\ncommands: {name},x\n\n");
        let text = [head.to_owned(), stanza("a"), stanza("b")].concat();
        assert_eq!(cut_commands(text.as_bytes(), &["b"].into()), [head.to_owned(), stanza("b")].concat().into_bytes());
        assert_eq!(cut_commands(text.as_bytes(), &["c"].into()), b"");
    }

    #[test]
    fn components_keep_their_head() {
        let head = "---\nFile: DEP-11\nVersion: '0.16'\n";
        let document =
            |name: &str| format!("---\nType: generic\nID: x\nPackage: {name}\nName:\n  C: |\n    ---\n  Package: no\n");
        let text = [head.to_owned(), document("a"), document("'b'"), document("c")].concat();
        let kept = [head.to_owned(), document("'b'"), document("c")].concat();
        assert_eq!(String::from_utf8(cut_components(text.as_bytes(), &["b", "c"].into())).unwrap(), kept);
        assert_eq!(cut_components(text.as_bytes(), &["no"].into()), b"");
    }

    #[test]
    fn documents_of_components_stay_apart() {
        let head = "File: DEP-11\nVersion: '0.16'\n";
        let document = |name: &str| format!("Type: generic\nPackage: {name}\n");
        let [a, b] = ["a", "b"].map(document);
        let cut = |text: &str, packages: &[&str]| {
            String::from_utf8(cut_components(text.as_bytes(), &packages.iter().copied().collect())).unwrap()
        };
        let expected = format!("---\n{head}---\n{a}---\n{b}");
        for text in [
            format!("{a}---\n{head}---\n{b}"),
            format!("{head}---\n{a}---\n{b}"),
            format!("{a}---\n{b}---\n{}", head.trim_end()),
        ] {
            assert_eq!(cut(&text, &["a", "b"]), expected, "{text}");
        }
        assert_eq!(cut(&format!("{a}---\n{head}---\n{b}"), &["b"]), format!("---\n{head}---\n{b}"));
        let marked = format!("%YAML 1.2\n--- # head\n{head}...\n{a}...\n--- !x\n{b}");
        let expected = format!("%YAML 1.2\n--- # head\n{head}...\n---\n{a}...\n");
        assert_eq!(cut(&marked, &["a"]), expected);
    }

    proptest! {
        #[test]
        fn cutting_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let packages: Names<'_> = ["a"].into();
            let _ = cut_contents(bytes.as_slice(), &packages, &mut Vec::new());
            cut_commands(&bytes, &packages);
            cut_components(&bytes, &packages);
        }
    }
}
