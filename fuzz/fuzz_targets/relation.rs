//! A relation field such as Depends, the versions in it, and the same field as a source package's build dependencies.
#![no_main]

use gapferry::formats::apt::build_relations::{BuildMachine, BuildRelations};
use gapferry::formats::apt::deb822::Stanzas;
use gapferry::formats::apt::relation::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|field: &str| {
    for relation in parse(field).into_iter().flatten().flatten() {
        let _ = relation.admits("1:2.0-1");
        let _ = relation.applies_to("amd64");
    }
    let builder = BuildMachine { architecture: "amd64", foreign: vec!["i386"], profiles: ["nocheck"].into() };
    let source = format!("Package: s\nBuild-Depends: {field}\n");
    for stanza in Stanzas::new(source.as_bytes()) {
        if let Ok(found) = BuildRelations::read(stanza, &builder) {
            assert!(parse(&found.depends).is_ok(), "{}", found.depends);
        }
    }
});
