use std::io;

use super::facts::{FactCollector, FactKind};
use crate::formats::archive::{ArchiveEntry, EntryKind, EntryPlace};

fn entry(path: &str, mode: u32) -> ArchiveEntry {
    ArchiveEntry {
        capabilities: None,
        kind: EntryKind::File,
        link: String::new(),
        mode,
        owner: "root:root".into(),
        path: path.into(),
        place: EntryPlace::Payload,
        size: 0,
    }
}

/// The kinds and names of the facts of these entries.
fn facts(entries: &[ArchiveEntry]) -> Vec<(FactKind, String)> {
    let mut collector = FactCollector::default();
    entries.iter().for_each(|entry| collector.entry(entry, &mut io::empty()).unwrap());
    collector.finish().into_keys().map(|fact| (fact.kind, fact.name)).collect()
}

#[test]
fn each_kind_of_content_is_found_at_its_place() {
    for (path, kind) in [
        ("/usr/lib/systemd/system/a.service", Some(FactKind::Unit)),
        ("/lib/systemd/system/a.timer", Some(FactKind::Timer)),
        ("/etc/systemd/system/multi-user.target.wants/a.service", Some(FactKind::Unit)),
        ("/usr/lib/systemd/user/a.service.d/more.conf", Some(FactKind::Unit)),
        ("/usr/lib/systemd/system-generators/a", Some(FactKind::Unit)),
        ("/usr/lib/systemd/systemd-thing", None),
        ("/usr/lib/systemd/catalog/a.catalog", None),
        ("/etc/cron.d/a", Some(FactKind::Cron)),
        ("/etc/cron.daily/.placeholder", None),
        ("/usr/share/doc/a.timer", None),
    ] {
        let found = facts(&[entry(path, 0o644)]);
        assert_eq!(found.first().map(|(kind, _)| *kind), kind, "{path}");
    }
}

#[test]
fn setuid_and_setgid_files_are_found_and_folders_are_not() {
    let folder = ArchiveEntry { kind: EntryKind::Folder, ..entry("/var/mail", 0o2775) };
    let link = ArchiveEntry { kind: EntryKind::HardLink, ..entry("/usr/bin/other", 0o4755) };
    let control = ArchiveEntry { place: EntryPlace::Control, ..entry("/postinst", 0o4755) };
    let plain = entry("/usr/bin/plain", 0o1755);
    let found = facts(&[entry("/bin/su", 0o4755), entry("/usr/bin/wall", 0o2755), folder, link, control, plain]);
    let setuid = ["/usr/bin/other", "/usr/bin/su", "/usr/bin/wall"].map(|path| (FactKind::Setuid, path.to_owned()));
    assert_eq!(found, [&setuid[..], &[(FactKind::Script, "postinst".to_owned())]].concat());
}

#[test]
fn endless_findings_are_refused() {
    let mut collector = FactCollector::default();
    let ended = (0..30_000)
        .find_map(|number| collector.entry(&entry(&format!("/usr/bin/{number}"), 0o4755), &mut io::empty()).err());
    assert!(ended.unwrap().to_string().contains("more than 20000"));
}
