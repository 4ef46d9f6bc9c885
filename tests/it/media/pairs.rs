//! The same volume on several media, of which not all are good.

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::cli::Exit::{Usage, VerificationFailed};
use serde_json::Value;

use super::{Carrier, says};
use crate::support::desk::Ended;
use crate::support::snapshot::copy;

const BUNDLE: &str = "dc1-base-000001";

/// A bundle on two media, `one` and `two`.
struct Pair {
    carrier: Carrier,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { carrier: Carrier::new() };
        for medium in ["one", "two"] {
            fs::create_dir(pair.carrier.desk.path(medium)).unwrap();
            copy(&pair.carrier.desk.path("medium").join(BUNDLE), &pair.carrier.desk.path(medium).join(BUNDLE));
        }
        pair
    }

    fn folder(&self, medium: &str) -> PathBuf {
        self.carrier.desk.path(medium).join(BUNDLE)
    }

    /// A file of the packing.
    fn path(&self, medium: &str, file: &str) -> PathBuf {
        self.folder(medium).join(self.carrier.in_packing(file))
    }

    fn run(&self, arguments: &str) -> Ended {
        self.carrier.desk.run(arguments)
    }

    fn flip(&self, medium: &str, file: &str, at: usize) {
        flip(&self.path(medium, file), at);
    }

    fn is_published(&self) -> bool {
        self.carrier.desk.path("site/current/apt/demo/dists").exists()
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_on_one_medium_is_read_from_another() {
    let pair = Pair::new();
    pair.flip("one", "volume-002.tar", 50_000);
    pair.flip("two", "volume-003.tar", 50_000);
    // At a site of its own: what it has unpacked stays there for the next attempt.
    copy(&pair.carrier.desk.path("site"), &pair.carrier.desk.path("other"));
    pair.run("import one --site other").says(VerificationFailed, &["volume-002.tar is damaged", "of another bundle"]);
    assert!(!pair.carrier.desk.path("other/current/apt/demo/dists").exists());
    let verified = "verify one/dc1-base-000001 two/dc1-base-000001 --builder online/builder.key.pub";
    pair.run(verified).says(
        VerificationFailed,
        &["volume-002.tar bytes", "read from another medium", "the other media have all of it"],
    );
    let json = pair.run(&format!("{verified} --json")).json();
    assert_eq!((&json["repairable"], json["damaged"].as_array().unwrap().len()), (&Value::Bool(true), 1), "{json}");
    pair.run("import one two --site site --dry-run").ok();
    // The other way round it is the other volume.
    let imported = pair.run("import two one --site site --json").ok();
    let repaired = &imported.json()["repaired"];
    assert_eq!(repaired.as_array().unwrap().len(), 1, "{repaired}");
    assert_eq!(repaired[0]["volume"], pair.carrier.in_packing("volume-003.tar"));
    assert_eq!(repaired[0]["bad"], format!("two/{BUNDLE}"));
    assert_eq!(repaired[0]["read_from"], format!("one/{BUNDLE}"));
    let volume = pair.carrier.in_packing("volume-003.tar");
    let note = format!("two/{BUNDLE} is damaged, and it was read from another one: {volume} bytes ");
    assert!(imported.err.contains(&note) && imported.err.contains("replace the medium"), "{}", imported.err);
    assert!(pair.is_published());
    let audit = fs::read_to_string(pair.carrier.desk.path("site/audit.jsonl")).unwrap();
    assert!(audit.contains("read from another medium") && !audit.contains("two/"), "{audit}");
}

#[test]
fn volumes_of_another_bundle_and_what_is_no_file_are_no_obstacle() {
    let pair = Pair::new();
    let foreign = fs::read(pair.path("one", "volume-004.tar")).unwrap();
    fs::write(pair.path("one", "volume-001.tar"), foreign).unwrap();
    fs::remove_file(pair.path("one", "volume-005.tar")).unwrap();
    fs::create_dir(pair.path("one", "volume-005.tar")).unwrap();
    pair.run("import one --site site").says(VerificationFailed, &[]);
    fs::remove_dir(pair.path("one", "volume-005.tar")).unwrap();
    fs::copy(pair.path("two", "volume-005.tar"), pair.path("one", "volume-005.tar")).unwrap();
    pair.run("import one --site site")
        .says(VerificationFailed, &["volume-001.tar is damaged or was altered, or it is of another bundle"]);
    fs::remove_file(pair.path("one", "volume-005.tar")).unwrap();
    fs::create_dir(pair.path("one", "volume-005.tar")).unwrap();
    let json = pair.run("import one two --site site --json").ok().json();
    let (repaired, size) = (&json["repaired"], fs::metadata(pair.path("two", "volume-001.tar")).unwrap().len());
    let size = size - 1024; // two blocks of zeros, with which every volume ends
    assert_eq!((&repaired[0]["from"], &repaired[0]["to"]), (&0.into(), &size.into()), "{repaired}");
    assert!(repaired.as_array().unwrap().len() == 1 && pair.is_published());
}

#[test]
fn two_bad_copies_make_a_good_one_only_with_recovery_data() {
    let pair = Pair::new();
    // In one member each, which is read as a whole.
    pair.flip("one", "volume-002.tar", 30_000);
    pair.flip("two", "volume-002.tar", 60_000);
    let damaged = format!("one/{BUNDLE}/{} is damaged", pair.carrier.in_packing("volume-002.tar"));
    pair.run("import one two --site site").says(VerificationFailed, &[&damaged]);
    let again = format!("--packing {} --volumes 2", pair.carrier.packing_id());
    pair.run("import one two --site site").says(VerificationFailed, &[&again]);
    assert!(!pair.is_published());
    pair.run("protect medium/dc1-base-000001 --recovery 5%").ok();
    fs::copy(pair.path("medium", "volume-002.rec"), pair.path("two", "volume-002.rec")).unwrap();
    // Its recovery shards have gone, its list of digests has not.
    let rec = pair.path("two", "volume-002.rec");
    let mut bytes = fs::read(&rec).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle - 4096..middle + 4096].fill(0);
    fs::write(&rec, bytes).unwrap();
    pair.run("import two one --site site").ok();
    assert!(pair.is_published());
}

#[test]
fn only_media_of_one_bundle_are_verified_together() {
    let pair = Pair::new();
    fs::write(pair.folder("two").join("manifest.json"), "{}").unwrap();
    pair.run("verify one/dc1-base-000001 two/dc1-base-000001 --site site")
        .says(Usage, &["two/dc1-base-000001 does not have the manifest of dc1-base-000001"]);
}

/// From real copies, one of which has lost a bit.
#[test]
fn a_copy_of_a_copy_helps_out() {
    let text = "disk a size=10m; disk b size=10m; copy $B a; copy $B b --again\n\
        printf x | dd of=a/$N/$P/volume-002.tar bs=1 seek=50000 conv=notrunc status=none\n\
        import a; import a b";
    let Some(ended) = Carrier::new().script("two copies", text) else { return };
    says(&ended, &["0", "0", "4", "0"], &["recut", "a/dc1-base-000001 is damaged, and it was read from another one"]);
}
