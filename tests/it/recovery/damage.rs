//! Bytes that changed, blocks that died.

use std::collections::BTreeSet;
use std::fs::File;

use gapferry::bundle::recovery::geometry::Geometry;
use proptest::prelude::*;

use super::{Medium, digests, invert, percent, spares};
use crate::support::sample::Sample;

const SHARD: u64 = 4096;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// One volume of 37 shards, 8 of which may go.
    #[test]
    fn as_many_shards_as_it_says(places in prop::collection::btree_set(0_u64..37, 0..12), byte in 0..SHARD) {
        let medium = Medium::new(&[60_000, 3, 70_000, 0, 15_000], 1 << 20, percent(20));
        let size = medium.size("volume-001.tar");
        prop_assert_eq!(size.div_ceil(SHARD), 37);
        let (whole, found) = medium.contents();
        prop_assert!(found.repaired.is_empty());
        places.iter().for_each(|place| medium.invert("volume-001.tar", (place * SHARD + byte).min(size - 1), 1));
        let before = digests(&medium.folder);
        match places.len() {
            0..=8 => {
                let (contents, found) = medium.contents();
                prop_assert!(contents == whole);
                let repaired: u64 = found.repaired.iter().map(|piece| piece.to.div_ceil(SHARD) - piece.from / SHARD).sum();
                prop_assert_eq!(repaired, places.len() as u64);
            }
            _ => medium.beyond_repair(&[1]),
        }
        prop_assert_eq!(digests(&medium.folder), before);
    }

    /// A burst of any length at any place, in any file.
    #[test]
    fn a_burst_is_repaired_or_refused(
        file in prop::sample::select(vec!["volume-001.tar", "volume-002.tar", "volume-001.rec", "volume-002.rec", "spare-001.rec"]),
        at in any::<prop::sample::Index>(),
        length in 1_u64..60_000,
    ) {
        let mut amount = percent(10);
        amount.spares = 1;
        let medium = Medium::new(&[90_000, 90_000], 100_000, amount);
        let (whole, _) = medium.contents();
        let size = medium.size(file);
        let from = at.index(size as usize) as u64;
        medium.invert(file, from, length.min(size - from));
        let (contents, found) = medium.contents();
        prop_assert!(contents == whole, "a spare volume makes up for all of one volume");
        prop_assert_eq!(found.repaired.is_empty(), file.ends_with(".rec"));
    }
}

#[test]
fn a_dead_erase_block_of_four_mebibytes() {
    const BLOCK: u64 = 4 << 20;
    let medium = Medium::new(&[66 << 20], 1 << 30, percent(7));
    let size = medium.size("volume-001.tar");
    let shape = Geometry::within(size).unwrap();
    assert!(shape.groups() > 1, "interleaved: {shape:?}");
    let shard = shape.shard_bytes();
    let last = size - BLOCK;
    let places = vec![0, shard - 1, shard + 1, size / 3, last - 1, last];
    for from in Sample::new().strata(places, 1, |_| ()) {
        medium.invert("volume-001.tar", from, BLOCK);
        let found = medium.read().unwrap();
        medium.invert("volume-001.tar", from, BLOCK);
        let [piece] = &found.repaired[..] else { panic!("{:?}", found.repaired) };
        assert_eq!((piece.from, piece.to), (from / shard * shard, (from + BLOCK).next_multiple_of(shard).min(size)));
    }
    medium.invert("volume-001.tar", size / 3, 2 * BLOCK);
    medium.beyond_repair(&[1]);
}

#[test]
fn a_volume_that_was_cut_short() {
    let medium = Medium::new(&[400_000], 1 << 20, percent(10));
    let (whole, _) = medium.contents();
    let size = medium.size("volume-001.tar");
    let cut = |to: u64| File::options().write(true).open(medium.path("volume-001.tar")).unwrap().set_len(to).unwrap();
    cut(size - 30_000);
    assert!(medium.contents().0 == whole);
    cut(size - 60_000);
    medium.beyond_repair(&[1]);
    std::fs::remove_file(medium.path("volume-001.rec")).unwrap();
    let error = medium.read().unwrap_err().to_string();
    assert!(error.contains("and its packing says") && error.contains("copy it again"), "{error}");
}

#[test]
fn all_that_is_damaged_is_named_at_once() {
    let medium = Medium::new(&[90_000; 5], 100_000, percent(1));
    for number in [2, 4] {
        medium.invert(&format!("volume-00{number}.tar"), 5_000, 50_000);
    }
    medium.beyond_repair(&[2, 4]);
    let error = medium.read().unwrap_err();
    let text = error.to_string();
    let recut = format!("gapferry recut dc1-base-000001 --packing {} --volumes 2,4 --out .", medium.packing().id);
    for words in ["do not suffice", &recut, "volume-002.tar bytes 0 to"] {
        assert!(text.contains(words), "{text}");
    }
    for number in 1..=5 {
        std::fs::remove_file(medium.path(&format!("volume-00{number}.rec"))).unwrap();
    }
    medium.beyond_repair(&[2, 4]);
    assert!(medium.read().unwrap_err().to_string().contains("there are no recovery data"));
}

#[test]
fn the_same_volumes_give_the_same_recovery_files() {
    let mut amount = spares(2);
    amount.percent = Some(7);
    let files = || digests(&Medium::new(&[150_000, 150_000, 1], 100_000, amount).folder);
    let (mut first, mut second) = (files(), files());
    let of_time = |name: &String, _: &mut _| name.ends_with(".rec") || name.ends_with(".tar");
    first.retain(of_time);
    second.retain(of_time);
    assert_eq!(first, second);
    assert!(first.len() > 7, "{first:?}");
    let recs: BTreeSet<_> = first.keys().filter(|name| name.ends_with(".rec")).map(String::as_str).collect();
    assert!(recs.contains("spare-002.rec") && recs.contains("volume-004.rec"), "{recs:?}");
}

#[test]
fn heads_of_recovery_files_stand_in_for_each_other() {
    let medium = Medium::new(&[400_000], 1 << 20, percent(10));
    let (whole, _) = medium.contents();
    medium.invert("volume-001.tar", 100_000, 10_000);
    let size = medium.size("volume-001.rec");
    let rec = medium.path("volume-001.rec");
    for head in [0, 30, 54, 60, 500, size - 1, size - 40, size - 500] {
        invert(&rec, head, 1);
        assert!(medium.contents().0 == whole, "byte {head}");
        invert(&rec, head, 1);
    }
    invert(&rec, 0, 4000); // and the first recovery shards
    assert!(medium.contents().0 == whole);
    invert(&rec, size - 1, 1);
    medium.beyond_repair(&[1]);
}
