//! Release: the signed statement of what one suite of an archive holds, read and written.
//!
//! The format is the one of Debian's repository format page and of apt's own reader. SHA-256 and SHA-512 count: a Release
//! that lists its indexes by MD5 or SHA-1 alone is refused, as apt refuses it.

mod read;
mod write;

use std::collections::BTreeMap;

use super::suite_name::SuiteName;
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;

pub(super) use read::{FileLine, SECTIONS};

/// What a Release says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Who publishes it.
    pub origin: Option<String>,
    /// What it is called by its publisher.
    pub label: Option<String>,
    /// Suite, such as `stable`.
    pub suite: Option<String>,
    /// Codename, such as `bookworm`.
    pub codename: Option<String>,
    /// Version of the distribution.
    pub version: Option<String>,
    /// A line for people.
    pub description: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: Option<i64>,
    /// The text of `Date`, if apt cannot read it either. apt warns then, and takes the Release for undated.
    pub unreadable_date: Option<String>,
    /// Until when it may be used, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// Components as they stand, such as `main` or `updates/main`. See [`Release::has_component`].
    pub components: Vec<String>,
    /// Architectures as they stand, with `all` where it is listed.
    pub architectures: Vec<String>,
    /// Indexes can be fetched by their digest.
    pub acquire_by_hash: bool,
    /// `Architecture: all` packages are in the index of each architecture too.
    pub no_support_for_architecture_all: bool,
    /// Packages are taken from it only when asked for.
    pub not_automatic: bool,
    /// With [`Release::not_automatic`]: packages installed from it are upgraded from it.
    pub but_automatic_upgrades: bool,
    /// Other fields of one line that clients may read, such as `Changelogs` and `Snapshots`, by their names as they stand.
    pub others: BTreeMap<String, String>,
    /// Indexes, by their path below the folder of this Release.
    pub files: BTreeMap<PublishPath, IndexFile>,
    /// Paths that stand in another form, such as `./main/…`, by the form in which apt looks for them: apt does not find them.
    pub respelled: BTreeMap<PublishPath, String>,
}

/// An index that a Release lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// Bytes.
    pub size: u64,
    /// Its digest: SHA-256 if the Release has it, otherwise SHA-512.
    pub digest: SignedDigest,
}

impl Release {
    /// The names that are signed in it: its suite and its codename, as far as it has them.
    pub fn names(&self) -> Vec<String> {
        self.suite.iter().chain(&self.codename).cloned().collect()
    }

    /// Returns these names for a message.
    pub fn quoted_names(&self) -> String {
        let names: Vec<String> = self.names().iter().map(|name| format!("{name:?}")).collect();
        if names.is_empty() { "no name".to_owned() } else { names.join(" and ") }
    }

    /// Returns whether it is the suite that was asked for, by apt's rule: its Suite or Codename must be that name, or the part of it
    /// before the last slash, as of `bookworm/updates` (`metaIndex::CheckDist` in apt). `known` is what the archive is
    /// known to sign instead; empty if it signs no name.
    ///
    /// Of a flat suite, apt takes any name in the root of the archive, and the name of the folder elsewhere. Its Release need not
    /// have a name.
    pub fn is_suite(&self, asked: &SuiteName, known: Option<&str>) -> bool {
        let is = |name: &str| self.suite.as_deref() == Some(name) || self.codename.as_deref() == Some(name);
        match known {
            Some("") => self.names().is_empty(),
            Some(name) => is(name),
            None if asked.is_flat() => asked.folder().is_empty() || self.names().is_empty() || is(asked.folder()),
            None => {
                let asked = asked.to_string();
                is(&asked) || asked.rsplit_once('/').is_some_and(|(suite, _)| is(suite))
            }
        }
    }

    /// The names by which upstream tells it from others, in one line; `None` if it has neither suite nor codename.
    pub fn identity(&self) -> Option<String> {
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        let all = [text(&self.origin), text(&self.label), text(&self.suite), text(&self.codename)];
        (!self.names().is_empty()).then(|| all.join("|"))
    }

    /// Whether it has this component. Of a component with slashes only the last part counts, as index paths have it:
    /// `updates/main` has its indexes in `main`.
    pub fn has_component(&self, component: &str) -> bool {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        self.components.iter().any(|own| own == component || last(own) == last(component))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Sha256;
    use crate::formats::refusal;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text() -> String {
        include_str!("../../../../fixtures/apt/security.Release").to_owned()
    }

    #[test]
    fn what_a_release_says() {
        let release = Release::parse(text().as_bytes()).unwrap();
        assert_eq!(release.label.as_deref(), Some("Debian-Security"));
        assert_eq!((release.date, release.valid_until), (Some(1_795_255_200), Some(1_795_860_000)));
        assert!(release.acquire_by_hash && !release.not_automatic && !release.no_support_for_architecture_all);
        assert!(release.has_component("main") && release.has_component("updates/contrib"));
        assert!(!release.has_component("updates"));
        let path = "main/binary-amd64/Packages".parse().unwrap();
        assert_eq!(release.files, BTreeMap::from([(path, IndexFile { size: 0, digest: Sha256::of(b"").into() })]));
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        let parse = |text: String| Release::parse(text.as_bytes()).unwrap_err();
        assert!(parse(text().replace("SHA256", "SHA1")).to_string().contains("weak: "));
        assert!(parse("\n\n".to_owned()).to_string().contains("it is empty"));
        assert!(parse(text().replace(" 00 ", " 00 x ")).to_string().contains("malformed line"));
        assert!(parse(text().replace("28 Nov", "28 Nix")).to_string().contains("Valid-Until is no date"));
    }

    #[test]
    fn keeps_paths_apart_that_apt_does_not_find() {
        let release = Release::parse(text().replace(" main/binary", " ./main//binary").as_bytes()).unwrap();
        let path = "main/binary-amd64/Packages".parse().unwrap();
        assert_eq!(release.respelled, BTreeMap::from([(path, "./main//binary-amd64/Packages".to_owned())]));
        assert!(release.files.is_empty());
    }

    #[test]
    fn odd_values_are_read_as_apt_reads_them() {
        let text = text()
            .replace("Sat, 21 Nov 2026", "2026-11-21")
            .replace("Label: Debian-Security", "Label: a\n folded\n  value");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(b"Description: caf\xe9\x90\n\nSuite: second\n");
        let release = Release::parse(&bytes).unwrap();
        assert_eq!((release.date, release.unreadable_date.as_deref()), (None, Some("2026-11-21 10:00:00 UTC")));
        assert_eq!(release.label.as_deref(), Some("a folded value"));
        assert_eq!(
            (release.description.as_deref(), release.suite.as_deref()),
            (Some("caf\u{e9}"), Some("oldstable-security"))
        );
        assert!(release.to_text().is_ok());
    }

    #[test]
    fn what_is_written_is_what_apt_expects() {
        let path = "main/binary-amd64/Packages".parse().unwrap();
        let release = Release {
            origin: Some("Site".into()),
            codename: Some("bookworm".into()),
            date: Some(1_795_255_200),
            acquire_by_hash: true,
            architectures: vec!["amd64".into()],
            components: vec!["main".into()],
            files: BTreeMap::from([(path, IndexFile { size: 12, digest: Sha256::of(b"").into() })]),
            ..Release::default()
        };
        let expected = format!(
            "Origin: Site\nCodename: bookworm\nDate: Sat, 21 Nov 2026 10:00:00 UTC\nAcquire-By-Hash: yes\n\
             Architectures: amd64\nComponents: main\nSHA256:\n {DIGEST}         12 main/binary-amd64/Packages\n"
        );
        assert_eq!(release.to_text().unwrap(), expected);
    }

    #[test]
    fn a_value_cannot_smuggle_in_a_field() {
        let release = Release { label: Some("x\nSHA256: y".into()), ..Release::default() };
        assert!(refusal(release.to_text()).contains("Label cannot be written"));
    }

    #[test]
    fn keeps_other_fields_but_for_those_that_are_upstreams_alone() {
        let more = "Changelogs: https://x.invalid/@CHANGEPATH@\nSnapshots: no\nsigned-by: 0123\nX-Folded: a\n b\nsnapshots: yes\n";
        let release = Release::parse(format!("{more}{}", text()).as_bytes()).unwrap();
        let expected = [("Changelogs", "https://x.invalid/@CHANGEPATH@"), ("snapshots", "yes")];
        assert_eq!(release.others, BTreeMap::from(expected.map(|(name, value)| (name.to_owned(), value.to_owned()))));
        let again = Release::parse(release.to_text().unwrap().as_bytes()).unwrap();
        assert_eq!(again, release);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in "\\PC{0,60}") {
            let _ = Release::parse(&bytes);
            let _ = Release::parse(format!("Date: {line}\nSHA256: {line}\n {DIGEST} {line}\n").as_bytes());
        }

        #[test]
        fn what_is_written_is_read_again(
            origin in proptest::option::of("[A-Za-z][A-Za-z ]{0,8}[a-z]"),
            date in proptest::option::of(0_i64..4_000_000_000),
            flags in any::<[bool; 4]>(),
            names in proptest::collection::btree_map("[a-z]{1,4}(/[a-z]{1,4}){0,2}", any::<u64>(), 0..5),
        ) {
            let files = names.into_iter().map(|(name, size)| {
                (name.parse().unwrap(), IndexFile { size, digest: Sha256::of(name.as_bytes()).into() })
            });
            let release = Release {
                label: origin.clone(),
                origin,
                date,
                acquire_by_hash: flags[0],
                no_support_for_architecture_all: flags[1],
                not_automatic: flags[2],
                but_automatic_upgrades: flags[3],
                components: vec!["main".into(), "updates/main".into()],
                files: files.collect(),
                ..Release::default()
            };
            prop_assert_eq!(Release::parse(release.to_text().unwrap().as_bytes()), Ok(release));
        }
    }
}
