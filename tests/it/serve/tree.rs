//! A site whose generations a test writes as it likes, in the layout of real ones.

use std::fs;
use std::os::unix::fs::symlink;

use gapferry::collection::Publish;
use gapferry::kind::Kind;
use gapferry::site::{Generation, Published};
use gapferry::time::Time;

use crate::support::desk::Desk;
use crate::support::published_tree::write_generation;

/// A desk with a site without generations.
pub(super) fn desk() -> Desk {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    desk
}

/// Something that is published, by KIND/NAME and origin.
pub(super) fn published(kind: Kind, name: &str, origin: &str) -> Published {
    Published {
        kind,
        name: name.parse().unwrap(),
        origin: origin.into(),
        publish: Publish::Verbatim,
        items: 0,
        unsigned: 0,
        vouched: true,
        suites: Default::default(),
        not_carried: 0,
        not_carried_examples: Vec::new(),
        before: None,
        valid_until: None,
        missing_indexes: Vec::new(),
        oldest_data: None,
        notes: Vec::new(),
    }
}

/// Writes generation `number` with these files, and switches to it.
pub(super) fn generation(desk: &Desk, number: u64, what: &[Published], files: &[(String, Vec<u8>)]) {
    let published = what.iter().map(|one| (one.folder(), one.clone())).collect();
    let generation = Generation { number, published, made: Time::now(), ..Generation::none() };
    write_generation(&desk.path("site"), &generation, files);
    switch(desk, number);
}

/// Points `current` at generation `number`.
pub(super) fn switch(desk: &Desk, number: u64) {
    let scratch = desk.path("site/current.test");
    symlink(format!("generations/{number}"), &scratch).unwrap();
    fs::rename(scratch, desk.path("site/current")).unwrap();
}

/// `length` bytes that are different for each `seed`, and do not repeat.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(word).collect();
    bytes.truncate(length);
    bytes
}
