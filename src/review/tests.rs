//! Differences of states that are made here, against a model that has both in memory.

use std::collections::BTreeMap;
use std::io::Seek as _;
use std::path::Path;
use std::slice::from_ref;

use proptest::prelude::*;

use super::item_change::StayingLine;
use super::pairing::{GroupItem, ItemGroup, changes_of};
use super::*;
use crate::bundle::state::known_versions::changed_items;
use crate::bundle::state::line::tests::{item, proof};
use crate::bundle::state::lists::StateLists;
use crate::bundle::state::manifest::{StateCollection, tests::manifest};
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::state::{ItemLine, ItemListWriter, Manifest, ProofLine};
use crate::collection::Publish;
use crate::depot::BlobReader;
use crate::digest::Sha256;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::time::Time;

/// A collection with its lines.
#[derive(Clone)]
pub(super) struct TestList {
    pub(super) folder: &'static str,
    pub(super) origin: &'static str,
    pub(super) proofs: Vec<ProofLine>,
    pub(super) items: Vec<ItemLine>,
}

/// Makes a state as a site has it.
pub(super) fn stored(sequence: u64, lists: &[TestList]) -> StoredState {
    let (mut collections, mut files) = (Vec::new(), Vec::new());
    for TestList { folder, origin, proofs, items } in lists {
        let (mut items, mut proofs) = (items.clone(), proofs.clone());
        items.sort_by(|a, b| a.path.cmp(&b.path));
        proofs.sort_by(|a, b| a.path.cmp(&b.path));
        let mut list = ItemListWriter::new(tempfile::tempfile().unwrap()).unwrap();
        proofs.iter().for_each(|line| list.proof(line).unwrap());
        items.iter().for_each(|line| list.item(line).unwrap());
        let (mut file, summary) = list.finish().unwrap();
        file.rewind().unwrap();
        files.push(BlobReader::of_file(file));
        let (kind, name) = folder.split_once('/').unwrap();
        collections.push(StateCollection {
            bytes: summary.bytes,
            files: summary.files,
            kind: Kind::of_name(kind).unwrap(),
            list: summary.list,
            name: name.parse().unwrap(),
            origin: Some((*origin).to_owned()),
            publish: Publish::ReIndexed,
            second_digest: None,
            source: name.parse().unwrap(),
        });
    }
    let (changed_items, overrides) = (Vec::new(), Vec::new());
    let sequence = sequence.try_into().unwrap();
    let manifest = Manifest { changed_items, collections, overrides, sequence, previous: None, ..manifest() };
    let digest = Sha256::of(manifest.to_text().unwrap().as_bytes());
    let lists = StateLists::new(&manifest, files).unwrap();
    StoredState { manifest, digest, lists }
}

pub(super) fn reviewed(state: StoredState) -> ReviewedState {
    ReviewedState::of_site(state, Path::new("state")).unwrap()
}

/// The alarms and the changes of a difference.
fn difference(before: &[TestList], after: &[TestList]) -> (Vec<Alarm>, Vec<ItemChange>, DiffTotals) {
    let (before, after) = (reviewed(stored(1, before)), reviewed(stored(2, after)));
    let diff = compare(&before, &after, &std::env::temp_dir()).unwrap();
    let (mut alarms, mut changes) = (Vec::new(), Vec::new());
    let keep_alarm = |alarm| {
        alarms.push(alarm);
        Ok::<_, std::io::Error>(())
    };
    diff.each_alarm(keep_alarm).unwrap();
    let keep_change = |change| {
        changes.push(change);
        Ok::<_, std::io::Error>(())
    };
    diff.each_change(keep_change).unwrap();
    (alarms, changes, diff.totals.clone())
}

/// A package of the suite `stable`.
pub(super) fn deb(name: &str, version: &str, content: &str) -> ItemLine {
    let path = format!("pool/{name}_{version}_amd64.deb");
    ItemLine { name: name.into(), version: version.into(), ..item(&path, content.as_bytes()) }
}

fn in_suite(suite: &str, line: ItemLine) -> ItemLine {
    let details = Details::Deb { component: Some("main".into()), suite: suite.parse().unwrap() };
    ItemLine { path: format!("{suite}/{}", line.path).parse().unwrap(), details, ..line }
}

pub(super) fn snap(name: &str, revision: u64, version: &str) -> ItemLine {
    let channels = ["amd64:latest/stable".parse().unwrap()].into();
    let path = format!("{name}_{revision}.snap");
    let line = ItemLine { name: name.into(), version: version.into(), ..item(&path, path.as_bytes()) };
    ItemLine { details: Details::Snap { channels, revision }, ..line }
}

pub(super) fn file(name: &str, content: &str) -> ItemLine {
    let version = Sha256::of(content.as_bytes()).abbreviated();
    let details = Details::File { origin: Origin::Local };
    ItemLine { name: name.into(), version, details, proof: None, ..item(name, content.as_bytes()) }
}

pub(super) fn apt(items: Vec<ItemLine>) -> TestList {
    TestList { folder: "apt/a", origin: "http://a.example/debian", proofs: Vec::new(), items }
}

/// The changes of one collection, in short.
fn shown(folder: &'static str, before: Vec<ItemLine>, after: Vec<ItemLine>) -> Vec<String> {
    let list = |items| TestList { folder, ..apt(items) };
    let (_, changes, _) = difference(&[list(before)], &[list(after)]);
    let version = |line: &Option<ItemLine>| line.as_ref().map_or("-".to_owned(), |line| line.version.clone());
    let words = |change: &ItemChange| {
        let class = serde_json::to_value(change.change).unwrap();
        let (class, name) = (class.as_str().unwrap().to_owned(), change.name());
        format!("{class} {name} {} {}", version(&change.before), version(&change.after))
    };
    changes.iter().map(words).collect()
}

#[test]
fn versions_go_by_the_rule_of_their_kind() {
    let debs = |versions: &[&str]| versions.iter().map(|v| deb("a", v, v)).collect::<Vec<_>>();
    for (before, after, change) in [
        (["1.0~rc1"], ["1.0"], "upgraded a 1.0~rc1 1.0"),
        (["1.10"], ["1.9"], "downgraded a 1.10 1.9"),
        (["2.0"], ["1:0.1"], "upgraded a 2.0 1:0.1"),
    ] {
        assert_eq!(shown("apt/a", debs(&before), debs(&after)), [change]);
    }
    let rpm = |version: &str| {
        let line = deb("a", version, version);
        ItemLine { details: Details::Rpm { list: "primary".into() }, ..line }
    };
    assert_eq!(shown("yum/a", vec![rpm("1.0-1")], vec![rpm("1.0^git-1")]), ["upgraded a 1.0-1 1.0^git-1"]);
    let snaps = |revision, version| vec![snap("a", revision, version)];
    assert_eq!(shown("snaps/a", snaps(2, "9"), snaps(3, "1")), ["upgraded a 9 1"]);
    assert_eq!(shown("snaps/a", snaps(3, "1"), snaps(2, "1")), ["downgraded a 1 1"]);
    let image = |version: &str| {
        let path = format!("jammy/{version}/squashfs");
        let line = ItemLine { name: "jammy/squashfs".into(), version: version.into(), ..item(&path, b"x") };
        vec![ItemLine { details: Details::Image { stream: "s".into() }, sha256: Sha256::of(path.as_bytes()), ..line }]
    };
    let expected = "upgraded jammy/squashfs 20250615 20250718";
    assert_eq!(shown("images/a", image("20250615"), image("20250718")), [expected]);
    let (one, two) = (file("a", "1"), file("a", "2"));
    assert_eq!(
        shown("files/a", vec![one.clone()], vec![two.clone()]),
        [format!("changed a {} {}", one.version, two.version)]
    );
}

#[test]
fn suites_and_versions_beside_each_other_are_told_apart() {
    let debs = |of: &[(&str, &str)]| {
        let line = |(suite, version): &(&str, &str)| in_suite(suite, deb("a", version, version));
        of.iter().map(line).collect::<Vec<_>>()
    };
    for (before, after, changes) in [
        // The other release has a higher version, and stays.
        (&[("jammy", "1"), ("noble", "3")][..], &[("jammy", "2"), ("noble", "3")][..], &["upgraded a 1 2"][..]),
        (&[("jammy", "1"), ("noble", "3")], &[("jammy", "1")], &["removed a 3 -"]),
        (&[("jammy", "1"), ("noble", "3")], &[("jammy", "2"), ("noble", "4")], &["upgraded a 1 2", "upgraded a 3 4"]),
        // A pocket is no other release.
        (&[("jammy", "1")], &[("jammy-updates", "2")], &["upgraded a 1 2"]),
        (&[("jammy", "1")], &[("noble", "2")], &["upgraded a 1 2"]),
        // Versions of one suite.
        (&[("jammy", "1")], &[("jammy", "1"), ("jammy", "2")], &["upgraded a 1 2"]),
        (&[("jammy", "2")], &[("jammy", "1"), ("jammy", "2")], &["new a - 1"]),
        (&[("jammy", "1"), ("jammy", "2")], &[("jammy", "1")], &["downgraded a 2 1"]),
        (&[("jammy", "1"), ("jammy", "2")], &[("jammy", "2")], &["removed a 1 -"]),
        (&[("jammy", "1"), ("jammy", "2")], &[("jammy", "2"), ("jammy", "3")], &["upgraded a 1 3"]),
    ] {
        assert_eq!(shown("apt/a", debs(before), debs(after)), changes, "{before:?} {after:?}");
    }
}

#[test]
fn other_bytes_are_found_behind_a_new_path_and_an_upgrade() {
    let one = deb("a", "1", "one");
    let moved = ItemLine { path: "other/a_1_amd64.deb".parse().unwrap(), ..deb("a", "1", "two") };
    assert_eq!(shown("apt/a", vec![one.clone()], vec![deb("a", "1", "two")]), ["other-bytes a 1 1"]);
    assert_eq!(shown("apt/a", vec![one.clone()], vec![moved.clone()]), ["other-bytes a 1 1"]);
    assert_eq!(shown("apt/a", vec![one.clone()], vec![one.clone(), moved.clone()]), ["other-bytes a 1 1"]);
    let in_its_place = ItemLine { path: one.path.clone(), ..deb("a", "2", "three") };
    let found = shown("apt/a", vec![one.clone(), deb("a", "0", "zero")], vec![in_its_place, moved]);
    assert_eq!(found, ["other-bytes a 1 1", "upgraded a 0 2"]);
    let renamed = ItemLine { path: "other/a_1_amd64.deb".parse().unwrap(), ..one.clone() };
    assert_eq!(shown("apt/a", vec![one], vec![renamed]), ["relisted a 1 1"]);
}

#[test]
fn files_of_a_source_package_are_not_taken_for_each_other() {
    let source = |version: &str, ending: &str| ItemLine {
        architecture: Some("source".into()),
        path: format!("pool/a_{version}.{ending}").parse().unwrap(),
        ..deb("a", version, &format!("{version}{ending}"))
    };
    let files = |version| vec![source(version, "dsc"), source(version, "tar.xz")];
    assert_eq!(shown("apt/a", files("1"), files("2")), ["upgraded a 1 2", "upgraded a 1 2"]);
    let mut signed = files("1");
    signed.push(source("1", "tar.xz.asc"));
    assert_eq!(shown("apt/a", files("1"), signed), ["new a - 1"]);
}

#[test]
fn items_move_between_collections() {
    let list = |folder, items| TestList { folder, ..apt(items) };
    let (one, two) = (deb("a", "1", "1"), deb("a", "2", "2"));
    let found = |before: &[TestList], after: &[TestList]| {
        let (_, changes, totals) = difference(before, after);
        let words = |change: &ItemChange| {
            format!("{} {} {:?}", change.change.words(), change.collection, change.moved_from.as_deref())
        };
        (changes.iter().map(words).collect::<Vec<_>>(), totals.moved)
    };
    let before = [list("apt/a", vec![one.clone()]), list("apt/b", vec![])];
    let moved = [list("apt/a", vec![]), list("apt/b", vec![one.clone()])];
    assert_eq!(found(&before, &moved), (vec!["moved apt/b Some(\"apt/a\")".to_owned()], 1));
    let newer = [list("apt/a", vec![]), list("apt/b", vec![two.clone()])];
    assert_eq!(found(&before, &newer), (vec!["upgraded apt/b Some(\"apt/a\")".to_owned()], 1));
    let both = [list("apt/a", vec![one.clone()]), list("apt/b", vec![two])];
    assert_eq!(found(&before, &both), (vec!["new apt/b None".to_owned()], 0));
    let renamed = [list("apt/c", vec![one])];
    assert_eq!(found(&before, &renamed), (vec!["moved apt/c Some(\"apt/a\")".to_owned()], 1));
}

#[test]
fn alarms_name_what_must_not_be_missed() {
    let signed = |keys: &[&str], date: i64| ProofLine {
        date: Some(Time::from_unix(date).unwrap()),
        signed_by: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..proof("dists/stable/InRelease", format!("{keys:?}{date}").as_bytes())
    };
    let unproven = |line: ItemLine| ItemLine { proof: None, ..line };
    let by = |publisher: &str, line: ItemLine| ItemLine { publisher: Some(publisher.into()), ..line };
    let before = TestList {
        proofs: vec![signed(&["AA"], 2000)],
        ..apt(vec![deb("a", "1", "1"), deb("b", "2", "2"), deb("c", "1", "1"), unproven(deb("own", "1", "1"))])
    };
    let after = TestList {
        origin: "http://elsewhere.example/debian",
        proofs: vec![signed(&["AA", "BB"], 1000)],
        ..apt(vec![
            deb("a", "1", "other"),
            deb("b", "1", "1"),
            unproven(deb("c", "1", "1")),
            unproven(deb("d", "1", "1")),
            unproven(deb("own", "2", "2")),
            by("Somebody", deb("e", "1", "1")),
        ])
    };
    let (alarms, _, totals) = difference(from_ref(&before), from_ref(&after));
    let names: Vec<String> = alarms.iter().map(|alarm| format!("{} {}", alarm.alarm.as_str(), alarm.name)).collect();
    let expected = [
        "other-bytes a",
        "downgrade b",
        "no-proof c",
        "no-proof d",
        "new-key BB",
        "new-origin http://elsewhere.example/debian",
        "new-publisher Somebody",
        "older-proof dists/stable/InRelease",
    ];
    assert_eq!(names, expected);
    assert_eq!((totals.alarm_count(), totals.unproven_changes), (8, 2), "an upgrade is no alarm, but is counted");
    let again = difference(from_ref(&before), from_ref(&after)).0;
    assert_eq!(again, alarms, "ids are the same wherever they are computed");
    assert_eq!(difference(from_ref(&before), from_ref(&before)).0, []);
    assert!(alarms.iter().all(|alarm| alarm.id.len() == 12));
}

#[test]
fn a_first_state_is_compared_with_nothing() {
    let (alarms, changes, totals) = difference(&[], &[apt(vec![deb("a", "1", "1")])]);
    let kinds: Vec<AlarmKind> = alarms.iter().map(|alarm| alarm.alarm).collect();
    assert_eq!(kinds, [AlarmKind::NewOrigin, AlarmKind::NewPublisher]);
    assert!(changes[0].new_name && totals.new_names == 1);
}

#[test]
fn reasons_lead_to_what_was_requested() {
    let needed = |name: &str, reason: &str| ItemLine { reason: reason.into(), ..deb(name, "1", name) };
    let before = vec![needed("nginx", "requested"), needed("common", "needed by nginx")];
    let mut after = before.clone();
    after.extend([
        needed("lib", "needed by common"),
        needed("lib2", "recommended by lib:i386"),
        needed("loop", "needed by pool"),
        needed("pool", "needed by loop"),
        needed("lost", "needed by nobody"),
    ]);
    let (_, changes, _) = difference(&[apt(before)], &[apt(after)]);
    let paths: Vec<String> =
        changes.iter().map(|change| format!("{}: {}", change.name(), change.because.join(", "))).collect();
    let expected = [
        "lib: needed by nginx, requested",
        "lib2: needed by common, needed by nginx, requested",
        "loop: needed by loop, needed by pool",
        "lost: ",
        "pool: needed by pool, needed by loop",
    ];
    assert_eq!(paths, expected);
}

/// The states of the golden text: something of each class and each alarm, and text that would steer a terminal.
fn golden() -> [StoredState; 2] {
    let signed = |date: &str| ProofLine {
        date: serde_json::from_value(date.into()).unwrap(),
        signed_by: vec!["B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8".into()],
        ..proof("dists/bookworm/InRelease", date.as_bytes())
    };
    let needed = |reason: &str, line: ItemLine| ItemLine { reason: reason.into(), ..line };
    let debian = |proofs, items| TestList {
        folder: "apt/debian",
        origin: "http://deb.debian.org/debian",
        proofs: vec![proofs],
        items,
    };
    let store = |items| TestList { folder: "snaps/store", origin: "https://api.snapcraft.io/", proofs: vec![], items };
    let files = |items| TestList { folder: "files/tools", origin: "https://tools.example/", proofs: vec![], items };
    let long = "a-name-that-is-longer-than-the-line-".repeat(3);
    let before = [
        debian(
            signed("2026-11-14T09:00:00Z"),
            vec![
                deb("libssl3", "3.0.22-1~deb12u1", "u1"),
                deb("nginx", "1.22.1-9", "nginx"),
                deb("perl", "5.36.0-7+deb12u4", "perl"),
                deb("ssl-cert", "1.1.2", "before"),
                needed("recommended by nginx", deb("sysstat", "12.6.1-1", "sysstat")),
                needed("needed by nginx", deb("tzdata", "2026f", "tzdata")),
            ],
        ),
        store(vec![snap("core24", 1243, "20261002"), snap("maas", 40981, "3.6.1")]),
    ];
    let after = [
        debian(
            signed("2026-11-21T09:00:00Z"),
            vec![
                deb("libssl3", "3.0.22-1~deb12u2", "u2"),
                deb("nginx", "1.22.1-9", "nginx"),
                deb("perl", "5.36.0-7+deb12u4", "perl"),
                deb("pgbouncer", "1.18.0-1", "pgbouncer"),
                needed("needed by pgbouncer", deb("libc-ares2", "1.18.1-3", "libc-ares2")),
                deb("ssl-cert", "1.1.2", "after it was changed"),
                deb("tzdata", "2026f", "tzdata"),
            ],
        ),
        files(vec![file("bin/collect", "#!/bin/sh"), needed("asked\u{202e}for \x1b[2J", file(&long, "x"))]),
        store(vec![snap("core24", 1226, "20260911"), snap("maas", 41230, "3.6.2")]),
    ];
    [stored(41, &before), stored(42, &after)]
}

/// The text of the golden difference.
fn golden_text(limit: TextLimit) -> String {
    let [before, after] = golden().map(reviewed);
    let diff = compare(&before, &after, &std::env::temp_dir()).unwrap();
    let mut text = Vec::new();
    write_text(&diff, limit, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_text_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/review/diff.txt");
    let text = golden_text(TextLimit::Short);
    if std::env::var_os("GAPFERRY_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text, "run this test with GAPFERRY_UPDATE_DOCS=1");
    let docs = include_str!("../../docs/review.md");
    assert!(docs.contains(&format!("```\n{text}```\n")), "docs/review.md shows fixtures/review/diff.txt");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn long_sections_are_cut_unless_all_is_asked_for() {
    let many = |version: &str| {
        let names = (0..60).map(|number| deb(&format!("many-{number:02}"), version, &format!("{number}-{version}")));
        vec![apt(names.collect())]
    };
    let (before, after) = (reviewed(stored(1, &many("2"))), reviewed(stored(2, &many("1"))));
    let diff = compare(&before, &after, &std::env::temp_dir()).unwrap();
    let text = |diff: &StateDiff<'_>, limit| {
        let mut text = Vec::new();
        write_text(diff, limit, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let short = text(&diff, TextLimit::Short);
    assert!(short.contains("many-49") && !short.contains("many-50") && short.contains("… 10 more"), "{short}");
    assert_eq!(text(&diff, TextLimit::InReport), short.replace("--all prints", "report.json has"));
    let all = text(&diff, TextLimit::All);
    assert!(all.contains("many-59") && !all.contains("more:"), "{all}");
    let upgrade = compare(&after, &before, &std::env::temp_dir()).unwrap();
    let short = text(&upgrade, TextLimit::Short);
    assert!(short.contains("many-49") && !short.contains("many-50") && short.contains("… 10 more"), "{short}");
}

#[test]
fn the_json_has_all_of_it() {
    let [before, after] = golden().map(reviewed);
    let diff = compare(&before, &after, &std::env::temp_dir()).unwrap();
    let value = serde_json::to_value(DiffJson(&diff)).unwrap();
    assert_eq!(value["totals"]["alarms"][0], serde_json::json!({ "alarm": "other-bytes", "count": 1 }));
    let changes = value["changes"].as_array().unwrap();
    assert_eq!(changes.len() as u64, diff.totals.changes.iter().map(|class| class.items).sum::<u64>());
    assert_eq!(value["alarms"].as_array().unwrap().len() as u64, diff.totals.alarm_count());
    let new = changes.iter().find(|change| change["after"]["name"] == "libc-ares2").unwrap();
    assert_eq!((&new["change"], &new["because"][0]), (&"new".into(), &"requested".into()));
    assert_eq!(value["before"]["bundle"], "dc1-base-000041");
}

/// A few packages of few names, versions, suites and bytes, by path.
fn lines() -> impl Strategy<Value = Vec<ItemLine>> {
    let line = ("[ab]", 1..4_u8, "[xy]", 0..2_u8, 0..3_u8, any::<bool>());
    prop::collection::vec(line, 0..8).prop_map(|lines| {
        let mut by_path = BTreeMap::new();
        for (name, version, folder, suite, bytes, is_proven) in lines {
            let line = deb(&name, &version.to_string(), &format!("{name}{version}{bytes}"));
            let path = format!("{folder}/{}", line.path.file_name()).parse().unwrap();
            let suite = ["jammy", "noble"][usize::from(suite)].parse().unwrap();
            let details = Details::Deb { component: None, suite };
            let proof = line.proof.clone().filter(|_| is_proven);
            by_path.insert(format!("{path}"), ItemLine { path, details, proof, ..line });
        }
        by_path.into_values().collect()
    })
}

/// The lines of a state by collection and path.
fn by_path(lists: &[TestList]) -> BTreeMap<(String, String), ItemLine> {
    let all = lists.iter().flat_map(|list| list.items.iter().map(move |item| (list.folder, item)));
    all.map(|(folder, item)| ((folder.to_owned(), item.path.to_string()), item.clone())).collect()
}

/// The changes, sorted by their text.
fn unordered(changes: impl IntoIterator<Item = ItemChange>) -> Vec<String> {
    let mut texts: Vec<String> = changes.into_iter().map(|change| format!("{change:?}")).collect();
    texts.sort();
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_a_model_in_memory(
        before in (lines(), lines()),
        after in (lines(), lines()),
    ) {
        let lists = |(a, b): (Vec<ItemLine>, Vec<ItemLine>)| {
            [TestList { folder: "apt/a", ..apt(a) }, TestList { folder: "apt/b", ..apt(b) }]
        };
        let (before, after) = (lists(before), lists(after));
        let (alarms, changes, totals) = difference(&before, &after);

        let mut groups: BTreeMap<String, ItemGroup> = BTreeMap::new();
        for (state, lists) in [(0, &before), (1, &after)] {
            for list in lists {
                for item in list.items.clone() {
                    let group = groups.entry(item.name.clone()).or_default();
                    let side = if state == 0 { &mut group.before } else { &mut group.after };
                    side.push(GroupItem { folder: list.folder.to_owned(), item });
                }
            }
        }
        let wanted = groups.into_values().flat_map(|group| changes_of(Kind::Apt, group));
        prop_assert_eq!(unordered(changes.clone()), unordered(wanted));

        // Each line that only one state has is told of exactly once.
        let (old, new) = (by_path(&before), by_path(&after));
        let mut gone: Vec<_> = old.iter().filter(|(key, line)| new.get(*key) != Some(*line)).map(|(key, _)| key.clone()).collect();
        let mut added: Vec<_> = new.iter().filter(|(key, line)| old.get(*key) != Some(*line)).map(|(key, _)| key.clone()).collect();
        let told = |of: fn(&ItemChange) -> Option<(String, &ItemLine)>| {
            let mut told: Vec<_> = changes.iter().filter_map(of).map(|(folder, line)| (folder, line.path.to_string())).collect();
            told.sort();
            told
        };
        let told_gone = told(|change| {
            let folder = change.moved_from.clone().unwrap_or_else(|| change.collection.clone());
            change.before.as_ref().filter(|_| change.stays != Some(StayingLine::Before)).map(|line| (folder, line))
        });
        let told_added = told(|change| {
            change.after.as_ref().filter(|_| change.stays != Some(StayingLine::After)).map(|line| (change.collection.clone(), line))
        });
        gone.sort();
        added.sort();
        prop_assert_eq!((told_gone, &told_added), (gone, &added));
        prop_assert_eq!(totals.unchanged as usize, new.len() - added.len());

        // Other bytes under one name and version are an alarm, by the rule of both sides.
        let (before, after) = (stored(1, &before), stored(2, &after));
        for changed in changed_items(before.listed(), after.listed()).unwrap() {
            let is_it = |alarm: &Alarm| {
                (alarm.alarm, &alarm.collection, alarm.after) == (AlarmKind::OtherBytes, &changed.collection, Some(changed.now))
            };
            prop_assert!(alarms.iter().any(is_it), "{} in {:#?}", changed, alarms);
        }
    }
}
