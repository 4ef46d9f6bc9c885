//! Recovery files that somebody made up.

use std::fs;
use std::os::unix::fs::symlink;

use gapferry::bundle::recovery::Amount;
use gapferry::bundle::recovery::write::write;
use gapferry::progress::Progress;
use proptest::prelude::*;

use super::{Medium, percent};

#[test]
fn what_restores_other_bytes_than_were_signed_is_refused() {
    for amount in [percent(30), Amount { percent: None, spares: 1 }] {
        let medium = Medium::new(&[90_000, 90_000], 100_000, amount);
        let (whole, _) = medium.contents();
        // All of it fits together, and is of other bytes.
        medium.invert("volume-001.tar", 20_000, 10);
        write(medium.packing().files.volumes(), &medium.folder, amount, &Progress::hidden()).unwrap();
        medium.invert("volume-001.tar", 20_000, 10);
        assert!(medium.contents().0 == whole, "without damage nobody asks them");
        medium.invert("volume-001.tar", 22_000, 10);
        medium.beyond_repair(&[1]);
        medium.invert("volume-001.tar", 22_000, 10);
        medium.invert("volume-001.tar", 20_000, 10);
        medium.beyond_repair(&[1]);
    }
}

#[test]
fn another_volumes_file_and_what_is_no_file() {
    let medium = Medium::new(&[90_000, 90_000], 100_000, percent(10));
    medium.invert("volume-001.tar", 20_000, 10);
    let rec = medium.path("volume-001.rec");
    let own = fs::read(&rec).unwrap();
    let others = fs::read(medium.path("volume-002.rec")).unwrap();
    for bytes in [&others, &own[..own.len() / 2].to_vec(), &own[..64].to_vec(), &Vec::new(), &vec![0; 1 << 20]] {
        fs::write(&rec, bytes).unwrap();
        match bytes.len() == own.len() / 2 {
            true => assert!(medium.contents().1.repaired.len() == 1, "its first shard suffices"),
            false => medium.beyond_repair(&[1]),
        }
    }
    fs::remove_file(&rec).unwrap();
    fs::write(medium.root().join("elsewhere"), &own).unwrap();
    symlink(medium.root().join("elsewhere"), &rec).unwrap();
    medium.beyond_repair(&[1]);
    fs::remove_file(&rec).unwrap();
    fs::create_dir(&rec).unwrap();
    medium.beyond_repair(&[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever stands in them, what is read is right, or refused.
    #[test]
    fn arbitrary_changes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
        head in any::<bool>(),
    ) {
        let medium = Medium::new(&[60_000, 90_000], 100_000, Amount { percent: Some(20), spares: 1 });
        let (whole, _) = medium.contents();
        for file in ["volume-001.rec", "volume-002.rec", "spare-001.rec"] {
            let mut bytes = fs::read(medium.path(file)).unwrap();
            for (at, byte) in &changes {
                let most = if head { 64 } else { bytes.len() };
                bytes[at.index(most)] = *byte;
            }
            cut.iter().for_each(|cut| bytes.truncate(cut.index(bytes.len())));
            fs::write(medium.path(file), bytes).unwrap();
        }
        medium.invert("volume-001.tar", 30_000, 5_000);
        if medium.read().is_ok() {
            prop_assert!(medium.contents().0 == whole);
        }
    }
}
