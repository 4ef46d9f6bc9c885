//! Which packages a repository's module streams pin.
//!
//! `modules.yaml` lists them under `data.artifacts.rpms` as NAME-EPOCH:VERSION-RELEASE.ARCHITECTURE. No YAML is parsed for
//! that: every word of this form counts, wherever it stands. A word too many only keeps a package, and the file itself
//! is published byte for byte.

use std::collections::HashSet;
use std::io::{BufRead, Read as _};

use super::Package;
use crate::formats::Invalid;

/// The longest line that is read, in bytes; the rest of a longer one counts as further lines.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The packages that module streams name.
#[derive(Clone, Debug, Default)]
pub struct Modules(HashSet<Box<str>>);

impl Modules {
    /// Reads the expanded file.
    pub fn read(mut text: impl BufRead) -> Result<Self, Invalid> {
        let (mut found, mut line) = (HashSet::new(), Vec::new());
        let unreadable = |error: std::io::Error| Invalid::new("cannot read it").because(error);
        while (&mut text).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            let separates = |byte: &u8| byte.is_ascii_whitespace() || b"\"',[]{}".contains(byte);
            let words = line.split(separates).filter_map(|word| std::str::from_utf8(word).ok());
            found.extend(words.filter(|word| is_nevra(word)).map(Box::from));
            line.clear();
        }
        Ok(Self(found))
    }

    /// Whether a module stream names the package.
    pub fn names(&self, package: &Package) -> bool {
        self.0.contains(package.nevra().as_str())
    }
}

/// Whether the word has the form of an artifact: an epoch is always written.
fn is_nevra(word: &str) -> bool {
    let epoch = word.split_once(':').and_then(|(before, rest)| Some((before.rsplit_once('-')?.1, rest)));
    epoch.is_some_and(|(epoch, rest)| {
        !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) && rest.contains('-') && rest.contains('.')
    })
}
