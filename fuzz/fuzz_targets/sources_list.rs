//! apt's source lists, in both styles, and lists of mirrors.
#![no_main]

use gapferry::formats::apt::mirror_list::MirrorList;
use gapferry::formats::apt::sources::{ListScope, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let suites = ["stable".parse().expect("a suite"), "./".parse().expect("a flat suite")];
    for (name, suites) in [("host.sources", &[][..]), ("host.list", &[]), ("host.list", &suites)] {
        for entry in parse(name, text, ListScope { architecture: "amd64", suites }).unwrap_or_default() {
            let flat = entry.suites.iter().filter(|suite| suite.is_flat()).count();
            assert!(flat == 0 || flat == entry.suites.len());
            assert_eq!(entry.components.is_empty(), flat > 0);
            for suite in &entry.suites {
                assert_eq!(suite.to_string().parse().as_ref(), Ok(suite));
            }
        }
    }
    assert!(MirrorList::parse(text).mirrors.is_sorted_by_key(|mirror| mirror.priority));
});
