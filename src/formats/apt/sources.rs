//! apt's own source lists (sources.list(5)): the deb822 form of `.sources` files and the one-line form of `.list` files.

use std::borrow::Cow;

use url::Url;

use super::client_index::ClientIndexKind;
use super::suite_name::SuiteName;
use crate::formats::Invalid;
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
    /// Suites, either all flat or none. Never empty.
    pub suites: Vec<SuiteName>,
    /// Components. Empty for flat suites alone.
    pub components: Vec<String>,
    /// The architectures that are wanted.
    pub architectures: ArchitectureOption,
    /// Languages of descriptions that are wanted by name.
    pub languages: Vec<String>,
    /// Kinds of index that are wanted by name (`Targets`).
    pub indexes: Vec<ClientIndexKind>,
    /// Asks for indexes by their digests whatever Release says (`By-Hash: force`).
    pub forces_by_hash: bool,
    /// Who must have signed it; any key that apt trusts where absent.
    pub signed_by: Option<SignedBy>,
    /// Whether `Valid-Until` is to be honoured, where the entry says so.
    pub check_valid_until: Option<bool>,
    /// The option by which apt takes the entry without a good signature. gapferry never does.
    pub insecure_option: Option<&'static str>,
}

/// Architectures of an entry, given those of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchitectureOption {
    /// Those that count instead of the client's, if there are any.
    pub instead: Vec<String>,
    /// Those that count too.
    pub added: Vec<String>,
    /// Those that do not count.
    pub removed: Vec<String>,
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

/// Lines count from 1.
fn at_line(line: usize, what: impl Into<Cow<'static, str>>) -> Invalid {
    Invalid::at(format!("line {line}"), what)
}

/// The part of a source list that counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListScope<'a> {
    /// The client's native architecture, which stands for `$(ARCH)`.
    pub architecture: &'a str,
    /// The suites that count; all if empty. An entry for other suites alone need not be supported.
    pub suites: &'a [SuiteName],
}

/// Reads the enabled entries of a file; `file_name` tells the form as it does for apt: `.sources`, or else one-line.
pub fn parse(file_name: &str, text: &str, scope: ListScope<'_>) -> Result<Vec<SourceEntry>, Invalid> {
    let drafts = if file_name.ends_with(".sources") { deb822_style::drafts(text) } else { one_line::drafts(text) };
    let mut entries = Vec::new();
    for mut draft in drafts? {
        draft.expand(scope.architecture);
        let is_wanted = |suite: &str| suite.parse().is_ok_and(|suite| scope.suites.contains(&suite));
        if !scope.suites.is_empty() && !draft.suites.is_empty() {
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
struct SourceDraft<'a> {
    line: usize,
    binary: bool,
    source: bool,
    uris: Vec<Cow<'a, str>>,
    suites: Vec<Cow<'a, str>>,
    components: Vec<Cow<'a, str>>,
    architectures: ArchitectureOption,
    languages: Vec<String>,
    indexes: Vec<ClientIndexKind>,
    forces_by_hash: bool,
    signed_by: Option<SignedBy>,
    check_valid_until: Option<bool>,
    insecure_option: Option<&'static str>,
}

impl SourceDraft<'_> {
    fn malformed(&self, reason: &'static str) -> Invalid {
        at_line(self.line, reason)
    }

    /// Puts the client's architecture in the place of the variable, as apt does in both forms.
    fn expand(&mut self, architecture: &str) {
        for word in [&mut self.uris, &mut self.suites, &mut self.components].into_iter().flatten() {
            if word.contains(ARCH_VARIABLE) {
                *word = Cow::Owned(word.replace(ARCH_VARIABLE, architecture));
            }
        }
    }

    /// Sets the option of this name, which both forms share but for its spelling: that of the form of stanzas, in lower case.
    fn set_option(&mut self, name: &str, value: &str) {
        let words = || value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()).map(str::to_owned);
        if let Some(option) = INSECURE_OPTIONS.into_iter().find(|option| *option == name) {
            self.insecure_option = self.insecure_option.filter(|other| *other != option);
            self.insecure_option = self.insecure_option.or((truth(value) == Some(true)).then_some(option));
        }
        match name {
            "architectures" => self.architectures.instead.extend(words()),
            "architectures-add" => self.architectures.added.extend(words()),
            "architectures-remove" => self.architectures.removed.extend(words()),
            // What is taken away from these is carried all the same: a site may have other clients.
            "languages" | "languages-add" => {
                self.languages.extend(words().filter(|word| !["none", "environment"].contains(&word.as_str())));
            }
            "targets" | "targets-add" => {
                self.indexes.extend(words().filter_map(|word| ClientIndexKind::of_target(&word)));
            }
            "by-hash" => self.forces_by_hash = value.eq_ignore_ascii_case("force"),
            "check-valid-until" => self.check_valid_until = truth(value),
            _ => self.indexes.extend(ClientIndexKind::of_target(name).filter(|_| truth(value) == Some(true))),
        }
    }

    fn finish(self) -> Result<Vec<SourceEntry>, Invalid> {
        let line = self.line;
        if self.uris.iter().any(|uri| uri.starts_with("cdrom:")) {
            return Err(at_line(line, "cdrom: is not supported"));
        }
        if self.uris.is_empty() || self.suites.is_empty() {
            return Err(self.malformed("an entry needs a URI and a suite"));
        }
        let is_flat = |suite: &Cow<'_, str>| suite.ends_with('/');
        if self.components.is_empty() && !self.suites.iter().all(is_flat) {
            return Err(self.malformed("an entry needs a component"));
        }
        if !self.components.is_empty() && self.suites.iter().any(is_flat) {
            return Err(self.malformed("a suite that ends in a slash takes no component"));
        }
        let variable =
            [&self.uris, &self.suites, &self.components].into_iter().flatten().find(|text| text.contains("$("));
        if let Some(text) = variable {
            return Err(at_line(line, format!("{text} is not supported")));
        }
        self.uris.iter().map(|uri| self.entry(uri)).collect()
    }

    fn entry(&self, uri: &str) -> Result<SourceEntry, Invalid> {
        let line = self.line;
        // apt's two ways to read local files differ in whether it keeps a copy.
        let uri = &uri.strip_prefix("copy:").map_or(Cow::Borrowed(uri), |path| Cow::Owned(format!("file:{path}")));
        let malformed = |error| at_line(line, format!("{} is no URI", without_password(uri))).because(error);
        let suites: Result<Vec<SuiteName>, _> = self.suites.iter().map(|suite| suite.parse()).collect();
        Ok(SourceEntry {
            line,
            binary: self.binary,
            source: self.source,
            url: Url::parse(uri).map_err(malformed)?,
            suites: suites.map_err(|error: Invalid| error.placed(format!("line {line}")))?,
            components: self.components.iter().map(|word| word.clone().into_owned()).collect(),
            architectures: self.architectures.clone(),
            languages: self.languages.clone(),
            indexes: self.indexes.clone(),
            forces_by_hash: self.forces_by_hash,
            signed_by: self.signed_by.clone(),
            check_valid_until: self.check_valid_until,
            insecure_option: self.insecure_option,
        })
    }
}

impl ArchitectureOption {
    /// Returns the architectures of the entry for a client of `own`.
    pub fn of(&self, own: &[String]) -> Vec<String> {
        let base = if self.instead.is_empty() { own } else { &self.instead };
        let mut architectures: Vec<String> = Vec::new();
        for name in base.iter().chain(&self.added) {
            if !self.removed.contains(name) && !architectures.contains(name) {
                architectures.push(name.clone());
            }
        }
        architectures
    }
}

/// The variable of the client's native architecture (sources.list(5)).
const ARCH_VARIABLE: &str = "$(ARCH)";

/// Options by which apt takes an archive without a good signature, in lower case.
const INSECURE_OPTIONS: [&str; 4] = ["trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"];

/// The words of apt's StringToBool; nothing for any other.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        _ => None,
    }
}

/// Paths begin with a slash; everything else must be a fingerprint.
fn named_keys<'a>(words: impl Iterator<Item = &'a str>, line: usize) -> Result<SignedBy, Invalid> {
    let (mut files, mut fingerprints) = (Vec::new(), Vec::new());
    for word in words.filter(|word| !word.is_empty()) {
        let digits = word.strip_suffix('!').unwrap_or(word);
        if word.starts_with('/') {
            files.push(word.to_owned());
        } else if digits.len() >= 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            fingerprints.push(word.to_owned());
        } else {
            let reason = "Signed-By names something that is neither an absolute path nor a fingerprint";
            return Err(at_line(line, reason));
        }
    }
    Ok(SignedBy::Named { files, fingerprints })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::refusal;

    #[test]
    fn the_file_name_tells_the_form() {
        let stanza = "Types: deb\nURIs: http://a.invalid/\nSuites: s\nComponents: main\n";
        let parse = |name: &str, text: &str| parse(name, text, ListScope::default()).unwrap();
        assert_eq!(parse("a.sources", stanza), parse("a.list", "deb http://a.invalid/ s main\n"));
    }

    #[test]
    fn entries_for_other_suites_need_not_be_supported() {
        let list = include_str!("../../../fixtures/apt/unsupported.list");
        let stanzas = include_str!("../../../fixtures/apt/unsupported.sources");
        for (name, text) in [("x.list", list), ("x.sources", stanzas)] {
            let suites = ["s".parse().unwrap()];
            let entries = parse(name, text, ListScope { suites: &suites, ..ListScope::default() }).unwrap();
            assert_eq!((entries.len(), &entries[0].suites[..]), (1, &suites[..]), "{name}");
            assert!(parse(name, text, ListScope::default()).unwrap_err().to_string().contains("is not supported"));
        }
    }

    /// The suites of the entries, after their addresses.
    fn suites_of(name: &str, text: &str, architecture: &str) -> Vec<String> {
        let entries = parse(name, text, ListScope { architecture, ..ListScope::default() }).unwrap();
        let of = |entry: SourceEntry| entry.suites.into_iter().map(move |suite| format!("{} {suite}", entry.url));
        entries.into_iter().flat_map(of).collect()
    }

    #[test]
    fn flat_suites_take_no_component() {
        for (suites, expected) in [("./", "./"), ("/", "./"), ("a/b/", "a/b/"), ("./x/", "x/")] {
            let expected = [format!("http://a.invalid/ {expected}")];
            assert_eq!(suites_of("x.list", &format!("deb http://a.invalid {suites}\n"), ""), expected);
            let stanza = format!("Types: deb\nURIs: http://a.invalid\nSuites: {suites}\n");
            assert_eq!(suites_of("x.sources", &stanza, ""), expected);
            for text in [format!("{stanza}Components: main\n"), stanza.replace("Suites:", "Suites: stable")] {
                assert!(refusal(parse("x.sources", &text, ListScope::default())).contains("line 1: "));
            }
        }
        assert!(
            refusal(parse("x.list", "deb http://a.invalid a/../b/\n", ListScope::default())).contains("is no suite")
        );
    }

    #[test]
    fn the_native_architecture_stands_for_its_variable() {
        let line = "deb [arch=arm64] http://a.invalid/$(ARCH) $(ARCH)/\n";
        let stanza = "Types: deb\nURIs: http://a.invalid/$(ARCH)\nSuites: $(ARCH)/\nArchitectures: arm64\n";
        for (name, text) in [("x.list", line), ("x.sources", stanza)] {
            assert_eq!(suites_of(name, text, "amd64"), ["http://a.invalid/amd64 amd64/"]);
        }
    }

    #[test]
    fn options_are_read_in_both_forms() {
        use ClientIndexKind::{Appstream, Commands, SourceContents};
        let line = include_str!("../../../fixtures/apt/options.list");
        let stanza = include_str!("../../../fixtures/apt/options.sources");
        for (name, text) in [("x.list", line), ("x.sources", stanza)] {
            let mut entry = parse(name, text, ListScope::default()).unwrap().remove(0);
            assert_eq!(entry.architectures.of(&["z".to_owned()]), ["a", "c"], "{name}");
            assert_eq!(entry.languages, ["de", "fr"], "{name}");
            entry.indexes.sort();
            assert_eq!(entry.indexes, [Appstream, Commands, SourceContents], "{name}");
            assert!(entry.forces_by_hash, "{name}");
        }
    }

    #[test]
    fn options_that_pass_over_signatures_are_named() {
        for (options, stanza, expected) in [
            ("trusted=yes", "Trusted: yes", Some("trusted")),
            ("trusted=no", "Trusted: no", None),
            ("allow-insecure=true", "Allow-Insecure: true", Some("allow-insecure")),
            ("allow-downgrade-to-insecure=on", "Allow-Downgrade-To-Insecure: on", Some("allow-downgrade-to-insecure")),
            ("allow-weak=1 trusted=no", "Allow-Weak: 1\nTrusted: no", Some("allow-weak")),
        ] {
            let line = format!("deb [{options}] http://a.invalid s main\n");
            let stanza = format!("Types: deb\nURIs: http://a.invalid\nSuites: s\nComponents: main\n{stanza}\n");
            for (name, text) in [("x.list", line), ("x.sources", stanza)] {
                let entry = parse(name, &text, ListScope::default()).unwrap().remove(0);
                assert_eq!(entry.insecure_option, expected, "{text}");
            }
        }
    }

    #[test]
    fn architectures_rest_on_those_of_the_client() {
        let own = ["a".to_owned(), "b".to_owned()];
        let option = |instead: &[&str], added: &[&str], removed: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            ArchitectureOption { instead: owned(instead), added: owned(added), removed: owned(removed) }
        };
        assert_eq!(option(&[], &["c", "a"], &["b"]).of(&own), ["a", "c"]);
        assert_eq!(option(&["c"], &[], &[]).of(&own), ["c"]);
        assert_eq!(option(&[], &[], &[]).of(&own), own);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "\\PC{0,80}",
            line in "deb(-src)? (\\[[a-z]{0,4}(=[a-z]{0,3})? ?){0,2}\\]? [a-z]{0,4}(:/)?[a-z]{0,3} ([./]{0,2}[a-z/]{0,3}|\\$\\(ARCH\\)/?) [a-z]{0,3}",
            stanza in "((Types|URIs|Suites|Components|Signed-By|Enabled|Architectures-Add|Targets|#): ?\\PC{0,9}\n( \\PC{0,5}\n)?){0,6}",
        ) {
            let suites = ["a".parse().unwrap(), "./".parse().unwrap()];
            for text in [text, line, stanza] {
                for (name, suites) in [("x.sources", &[][..]), ("x.list", &[]), ("x.list", &suites)] {
                    for entry in parse(name, &text, ListScope { architecture: "amd64", suites }).unwrap_or_default() {
                        let flat = entry.suites.iter().filter(|suite| suite.is_flat()).count();
                        prop_assert!(!entry.suites.is_empty() && [0, entry.suites.len()].contains(&flat));
                        prop_assert_eq!(entry.components.is_empty(), flat > 0);
                    }
                }
            }
        }
    }
}
