//! Volumes that are lost, and spare ones that replace them.

use std::fs;

use gapferry::bundle::BundleError;
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::recovery::repair::{RecoverySource, Repair};
use gapferry::digest::Sha256;

use super::{Medium, percent, spares};

/// Four volumes, the last much smaller.
const SIZES: [u64; 4] = [95_000, 95_000, 95_000, 20_000];

#[track_caller]
fn missing(medium: &Medium, files: &[&str]) {
    let packing = medium.packing();
    let files: Vec<String> = files.iter().map(|file| packing.files.name(file)).collect();
    assert_eq!(medium.read().unwrap().missing, files);
    match medium.check() {
        Err(BundleError::VolumesMissing { missing, .. }) => assert_eq!(missing, files),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_lost_volume_is_rebuilt_byte_for_byte() {
    for number in 1..=4 {
        let medium = Medium::new(&SIZES, 100_000, spares(1));
        let (whole, _) = medium.contents();
        let packing = medium.packing();
        let volume = &packing.files.volumes()[number - 1];
        fs::remove_file(medium.path(&volume.file)).unwrap();
        let repair = Repair::new(&packing.files, medium.root());
        assert!(repair.restore(number - 1, &(0..volume.size), RecoverySource::Spares).unwrap());
        let mut bytes = vec![0; volume.size as usize];
        repair.read_at(number - 1, None, &mut bytes, 0).unwrap();
        assert_eq!(Sha256::of(&bytes), volume.sha256);
        let (contents, found) = medium.contents();
        assert!(contents == whole && found.missing.is_empty());
        assert_eq!(
            found.repaired.iter().map(|piece| &piece.volume).collect::<Vec<_>>(),
            [&packing.files.name(&volume.file)]
        );
    }
}

#[test]
fn as_many_as_there_are_spares_and_no_more() {
    let medium = Medium::new(&SIZES, 100_000, spares(2));
    let (whole, _) = medium.contents();
    fs::remove_file(medium.path("volume-002.tar")).unwrap();
    fs::remove_file(medium.path("volume-003.tar")).unwrap();
    assert!(medium.contents().0 == whole);
    fs::remove_file(medium.path("spare-001.rec")).unwrap();
    missing(&medium, &["volume-002.tar", "volume-003.tar"]);

    let medium = Medium::new(&SIZES, 100_000, percent(50));
    fs::remove_file(medium.path("volume-002.tar")).unwrap();
    missing(&medium, &["volume-002.tar"]);
}

#[test]
fn a_lost_spare_matters_only_when_it_is_needed() {
    let medium = Medium::new(&SIZES, 100_000, spares(2));
    let (whole, _) = medium.contents();
    fs::remove_file(medium.path("spare-001.rec")).unwrap();
    assert!(medium.contents().1.repaired.is_empty());
    fs::remove_file(medium.path("volume-001.tar")).unwrap();
    assert!(medium.contents().0 == whole, "the second spare does it alone");
}

#[test]
fn a_lost_volume_beside_a_damaged_one() {
    let medium = Medium::new(&SIZES, 100_000, Amount { percent: Some(10), spares: 1 });
    let (whole, _) = medium.contents();
    fs::remove_file(medium.path("volume-001.tar")).unwrap();
    fs::remove_file(medium.path("volume-001.rec")).unwrap();
    medium.invert("volume-003.tar", 40_000, 2_000);
    let (contents, found) = medium.contents();
    assert!(contents == whole);
    assert_eq!(found.repaired.len(), 2, "{found:?}");
    // One spare cannot make up for both by itself.
    fs::remove_file(medium.path("volume-003.rec")).unwrap();
    medium.beyond_repair(&[3]);
}

#[test]
fn spares_repair_damage_too_and_tell_when_they_are_damaged_themselves() {
    let medium = Medium::new(&SIZES, 100_000, spares(2));
    let (whole, _) = medium.contents();
    medium.invert("volume-001.tar", 0, 90_000);
    medium.invert("volume-002.tar", 10_000, 80_000);
    assert!(medium.contents().0 == whole);
    medium.invert("spare-001.rec", 60_000, 3);
    medium.beyond_repair(&[1, 2]);
}
