//! apt's own source lists (sources.list(5)): the deb822 form of `.sources` files and the one-line form of `.list` files.

use std::borrow::Cow;

use url::Url;

use crate::exit::Exit;
use crate::terminal::without_password;

mod deb822_style;
mod one_line;

/// One archive of a source list: a stanza or a line that names several URIs is several entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEntry {
    /// The line at which it begins, from 1.
    pub line: usize,
    /// Binary packages are wanted (`deb`).
    pub binary: bool,
    /// Source packages are wanted (`deb-src`).
    pub source: bool,
    /// Root of the archive.
    pub url: Url,
    /// Suites, without a slash at the end. Never empty.
    pub suites: Vec<String>,
    /// Components. Never empty.
    pub components: Vec<String>,
    /// The architectures that are wanted; the host's where empty.
    pub architectures: Vec<String>,
    /// Who must have signed it; any key that apt trusts where absent.
    pub signed_by: Option<SignedBy>,
    /// Whether `Valid-Until` is to be honoured, where the entry says so.
    pub check_valid_until: Option<bool>,
    /// Whether signatures are to be passed over, where the entry says so. gapferry never does.
    pub trusted: Option<bool>,
}

/// The keys that `Signed-By` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// An armored key block that stands in the entry itself.
    Inline(String),
    /// Files with keys, and fingerprints that limit which keys count.
    Named {
        /// Absolute paths.
        files: Vec<String>,
        /// Fingerprints in hexadecimal, as they stand; a `!` at the end means this very (sub)key.
        fingerprints: Vec<String>,
    },
}

/// Why a source list cannot be used. Lines count from 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourcesError {
    /// The line or stanza does not have the form of an entry.
    #[error("line {line}: {reason}")]
    Malformed {
        /// Where.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The address cannot be read.
    #[error("line {line}: {} is no URI", uri.escape_debug())]
    Uri {
        /// Where.
        line: usize,
        /// What stands there, without a password.
        uri: String,
        /// Why it is none.
        #[source]
        source: url::ParseError,
    },
    /// A flat repository: a suite that is a path and has no components.
    #[error("line {line}: {} is a flat repository, which gapferry does not carry", suite.escape_debug())]
    Flat {
        /// Where.
        line: usize,
        /// The suite.
        suite: String,
    },
    /// Something that apt knows and gapferry does not.
    #[error("line {line}: {} is not supported", what.escape_debug())]
    Unsupported {
        /// Where.
        line: usize,
        /// What it is.
        what: String,
    },
}

impl SourcesError {
    /// The exit code for this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Malformed { .. } | Self::Uri { .. } | Self::Flat { .. } | Self::Unsupported { .. } => Exit::Usage,
        }
    }
}

/// Reads the enabled entries of a file; `file_name` tells the form as it does for apt: `.sources`, or else one-line.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<SourceEntry>, SourcesError> {
    parse_suites(file_name, text, &[])
}

/// Reads those for one of `suites`, or all of them if none is named. An entry for other suites alone need not be supported.
pub fn parse_suites(file_name: &str, text: &str, suites: &[String]) -> Result<Vec<SourceEntry>, SourcesError> {
    let drafts = if file_name.ends_with(".sources") { deb822_style::drafts(text) } else { one_line::drafts(text) };
    let mut entries = Vec::new();
    for mut draft in drafts? {
        let is_wanted =
            |suite: &str| suites.iter().any(|wanted| wanted.trim_end_matches('/') == suite.trim_end_matches('/'));
        if !suites.is_empty() && !draft.suites.is_empty() {
            draft.suites.retain(|suite| is_wanted(suite));
            if draft.suites.is_empty() {
                continue;
            }
        }
        entries.extend(draft.finish()?);
    }
    Ok(entries)
}

/// The options and values that both forms share, before they are checked.
#[derive(Default)]
struct Draft<'a> {
    line: usize,
    binary: bool,
    source: bool,
    uris: Vec<Cow<'a, str>>,
    suites: Vec<Cow<'a, str>>,
    components: Vec<Cow<'a, str>>,
    architectures: Vec<Cow<'a, str>>,
    signed_by: Option<SignedBy>,
    check_valid_until: Option<bool>,
    trusted: Option<bool>,
    /// Something that apt knows and gapferry does not; an error if the entry is wanted.
    unsupported: Option<String>,
}

impl Draft<'_> {
    fn malformed(&self, reason: &'static str) -> SourcesError {
        SourcesError::Malformed { line: self.line, reason }
    }

    fn finish(self) -> Result<Vec<SourceEntry>, SourcesError> {
        let line = self.line;
        let cdrom = self.uris.iter().any(|uri| uri.starts_with("cdrom:")).then(|| "cdrom:".to_owned());
        if let Some(what) = cdrom.or_else(|| self.unsupported.clone()) {
            return Err(SourcesError::Unsupported { line, what });
        }
        if self.uris.is_empty() || self.suites.is_empty() {
            return Err(self.malformed("an entry needs a URI and a suite"));
        }
        if let Some(suite) = self.suites.iter().find(|suite| suite.ends_with('/')) {
            return Err(SourcesError::Flat { line, suite: suite.to_string() });
        }
        if self.components.is_empty() {
            return Err(self.malformed("an entry needs a component"));
        }
        let variable =
            [&self.uris, &self.suites, &self.components].into_iter().flatten().find(|text| text.contains("$("));
        if let Some(text) = variable {
            return Err(SourcesError::Unsupported { line, what: text.to_string() });
        }
        self.uris.iter().map(|uri| self.entry(uri)).collect()
    }

    fn entry(&self, uri: &str) -> Result<SourceEntry, SourcesError> {
        let line = self.line;
        let malformed = |source| SourcesError::Uri { line, uri: without_password(uri), source };
        Ok(SourceEntry {
            line,
            binary: self.binary,
            source: self.source,
            url: Url::parse(uri).map_err(malformed)?,
            suites: owned(&self.suites),
            components: owned(&self.components),
            architectures: owned(&self.architectures),
            signed_by: self.signed_by.clone(),
            check_valid_until: self.check_valid_until,
            trusted: self.trusted,
        })
    }
}

fn owned(words: &[Cow<'_, str>]) -> Vec<String> {
    words.iter().map(|word| word.clone().into_owned()).collect()
}

/// The words of apt's StringToBool; nothing for any other.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        _ => None,
    }
}

/// Paths begin with a slash; everything else must be a fingerprint.
fn named_keys<'a>(words: impl Iterator<Item = &'a str>, line: usize) -> Result<SignedBy, SourcesError> {
    let (mut files, mut fingerprints) = (Vec::new(), Vec::new());
    for word in words.filter(|word| !word.is_empty()) {
        let digits = word.strip_suffix('!').unwrap_or(word);
        if word.starts_with('/') {
            files.push(word.to_owned());
        } else if digits.len() >= 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            fingerprints.push(word.to_owned());
        } else {
            let reason = "Signed-By names something that is neither an absolute path nor a fingerprint";
            return Err(SourcesError::Malformed { line, reason });
        }
    }
    Ok(SignedBy::Named { files, fingerprints })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_name_tells_the_form() {
        let stanza = "Types: deb\nURIs: http://a.invalid/\nSuites: s\nComponents: main\n";
        assert_eq!(parse("a.sources", stanza).unwrap(), parse("a.list", "deb http://a.invalid/ s main\n").unwrap());
    }

    #[test]
    fn entries_for_other_suites_need_not_be_supported() {
        let list = "deb cdrom:[Debian 12 _x_]/ old main\ndeb http://a.invalid ./\ndeb [arch-=i386] http://a.invalid b main\n\
                    deb http://a.invalid s main\n";
        let stanzas = "Types: deb\nURIs: cdrom:[x]/\nSuites: old\nComponents: main\n\nTypes: deb\nURIs: http://a.invalid\n\
                       Suites: b\nComponents: main\nArchitectures-Remove: i386\n\nTypes: deb\nURIs: http://a.invalid\n\
                       Suites: s ./\nComponents: main\n";
        for (name, text) in [("x.list", list), ("x.sources", stanzas)] {
            let entries = parse_suites(name, text, &["s".to_owned()]).unwrap();
            assert_eq!((entries.len(), &entries[0].suites[..]), (1, &["s".to_owned()][..]), "{name}");
            assert_eq!(
                parse(name, text).unwrap_err(),
                SourcesError::Unsupported { line: 1, what: "cdrom:".to_owned() }
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "\\PC{0,80}",
            line in "deb(-src)? (\\[[a-z]{0,4}(=[a-z]{0,3})? ?){0,2}\\]? [a-z]{0,4}(:/)?[a-z]{0,3} [a-z/]{0,3} [a-z]{0,3}",
            stanza in "((Types|URIs|Suites|Components|Signed-By|Enabled|#): ?\\PC{0,9}\n( \\PC{0,5}\n)?){0,6}",
        ) {
            for text in [text, line, stanza] {
                let _ = parse("x.sources", &text);
                let _ = parse("x.list", &text);
                let _ = parse_suites("x.list", &text, &["a".to_owned()]);
            }
        }
    }
}
