//! Reports on states that are made here.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::bundle::packing::Volume;
use crate::bundle::state::manifest::LeftOut;
use crate::formats::feed::FeedFormat;
use crate::review::tests::{TestList, apt, deb, file, reviewed, snap, stored};
use crate::review::vulnerabilities::{
    FeedCoverage, FeedFacts, FindingClass, VulnerabilityFinding, VulnerabilityTotals,
};
use crate::review::{PackageLooks, compare};
use crate::trust::SecretKey;

static SIGNER: LazyLock<PublicKey> = LazyLock::new(|| SecretKey::generate().public());

/// All text forms of a report on a state whose texts are `text`: page, text, JSON.
fn forms(text: &str) -> [String; 3] {
    let lines = |version: &str| {
        let named = |line: ItemLine| ItemLine {
            architecture: Some(text.to_owned()),
            licence: Some(text.to_owned()),
            name: format!("{text}{}", line.name),
            publisher: Some(text.to_owned()),
            reason: text.to_owned(),
            version: format!("{}{text}", line.version),
            ..line
        };
        let proof = ProofLine {
            signed_by: vec![text.to_owned()],
            ..crate::bundle::state::line::tests::proof("a/InRelease", b"")
        };
        let debs =
            vec![named(deb("a", version, version)), named(deb("b", "1", version)), named(deb(version, "1", "c"))];
        let own = TestList { folder: "files/f", ..apt(vec![named(file("tool", version))]) };
        [
            TestList { proofs: vec![proof], ..apt(debs) },
            own,
            TestList { folder: "snaps/s", ..apt(vec![named(snap("d", 2, "1"))]) },
        ]
    };
    let before = reviewed(stored(1, &lines("2")[..1]));
    let mut after = reviewed(stored(2, &lines("1")));
    let manifest = &mut after.manifest;
    (manifest.purpose, manifest.ticket, manifest.classification) =
        (Some(text.into()), Some(text.into()), Some(text.into()));
    manifest.generator = text.to_owned();
    manifest.overrides = vec![text.to_owned()];
    manifest.left_out = vec![LeftOut { collection: text.into(), what: text.into(), why: text.into() }];
    let names = KeyNames { keys: [(text.to_owned(), text.to_owned())].into(), ..KeyNames::default() };
    let diff = compare(&before, &after, &std::env::temp_dir()).unwrap();
    let vulnerabilities = Some(vulnerabilities(text));
    let volume = Volume { file: text.to_owned(), sha256: Sha256::of(b"v"), size: 1 };
    let packings = vec![PackingOutline {
        id: text.to_owned(),
        signer: SIGNER.clone(),
        volumes: vec![volume],
        missing: Vec::new(),
    }];
    let looks = PackageLooks::default();
    let report = ReviewReport { diff, against: Against::State, names, looks, vulnerabilities, packings };
    let (mut page, mut plain) = (Vec::new(), Vec::new());
    write_html(&report, &mut page).unwrap();
    write_report_text(&report, &mut plain).unwrap();
    let json = serde_json::to_string(&ReportJson(&report)).unwrap();
    [String::from_utf8(page).unwrap(), String::from_utf8(plain).unwrap(), json]
}

/// Findings with `text` in all places that a feed fills.
fn vulnerabilities(text: &str) -> VulnerabilityReport {
    let finding = |class| VulnerabilityFinding {
        after: vec![text.to_owned()],
        before: vec!["1".to_owned(), text.to_owned()],
        binaries: vec![text.to_owned()],
        class,
        feed: text.to_owned(),
        fixed_in: Some(text.to_owned()),
        id: text.to_owned(),
        release: text.to_owned(),
        source: text.to_owned(),
        urgency: text.to_owned(),
    };
    let findings: Vec<_> = FindingClass::ALL.into_iter().map(finding).collect();
    let feed = FeedFacts {
        age_days: Some(1),
        date: None,
        format: FeedFormat::Debsecan,
        name: text.to_owned(),
        sha256: Sha256::of(b""),
        size: 1,
        statements: Some(1),
    };
    let line =
        FeedCoverage { collection: text.to_owned(), feeds: Vec::new(), items: 1, release: Some(text.to_owned()) };
    let totals = VulnerabilityTotals::of(&findings, std::slice::from_ref(&line));
    VulnerabilityReport { coverage: vec![line], feeds: vec![feed], findings, totals }
}

/// The tags of a page, with their attributes.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|part| part.split('>').next().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_of_a_bundle_changes_the_structure_of_the_page(
        text in "[a-z<>&\"'=/ ]{1,12}(\\PC|[\\x00-\\x1f\u{80}-\u{9f}\u{202e}\u{200b}]){0,8}|<script>|\"><img src=x>|--></style>",
    ) {
        let [page, plain, json] = forms(&text);
        let [harmless, ..] = forms("x");
        prop_assert_eq!(tags(&page), tags(&harmless));
        let is_hidden = |c: char| c != '\n' && (c.is_control() || ['\u{202e}', '\u{200b}'].contains(&c));
        prop_assert!(!page.contains(is_hidden));
        prop_assert!(!plain.contains(is_hidden));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(forms(&text), [page, plain, json], "the same state gives the same bytes");
    }
}
