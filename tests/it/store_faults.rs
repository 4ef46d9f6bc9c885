//! Depots and sites over a store that fails: wrong bytes and lost writes are found and named, and an error at any call leaves
//! the old site or the new one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gapferry::depot::{Depot, DepotError};
use gapferry::digest::Sha256;
use gapferry::error_class::causes;
use gapferry::progress::Progress;
use gapferry::site::{CheckOptions, Site, SiteError, check};

use crate::kill::import::{nothing_is_left_over, published, whole_generation};
use crate::support::debs::Debs;
use crate::support::faulty_store::{Call, Fault, FaultyCall, FaultyStore};
use crate::support::sample::Sample;
use crate::support::snapshot::{Snapshot, copy, difference};
use crate::support::world::{World, bring};

/// A depot in the folder over a store with this fault.
fn depot(folder: &Path, fault: Option<(usize, Fault)>) -> Depot {
    let fault = fault.map(|(number, fault)| (FaultyCall::Any(number), fault));
    let depot = Depot::in_store(Arc::new(FaultyStore::new(folder, fault)), "", folder);
    depot.create_folders().unwrap();
    depot
}

/// Stores `hello`; the calls are its size, the files, their size and a sync.
fn put(depot: &Depot) -> Result<Sha256, DepotError> {
    let mut batch = depot.batch();
    let digest = depot.put(&mut batch, b"hello")?;
    batch.commit().map(|()| digest)
}

#[test]
fn wrong_bytes_of_a_blob_are_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let hello = put(&depot(dir.path(), None)).unwrap();
    let is_named =
        |error: DepotError| matches!(error, DepotError::DigestMismatch { path } if path.ends_with(hello.to_hex()));
    let wrong = || depot(dir.path(), Some((0, Fault::WrongBytes)));
    assert!(is_named(wrong().read(&hello, 5).unwrap_err()));
    let wrong_range = || depot(dir.path(), Some((1, Fault::WrongBytes))); // after its size
    assert!(is_named(wrong_range().verify(&hello).unwrap_err()));
    assert!(is_named(wrong_range().write_file(&hello, &dir.path().join("copy")).unwrap_err()));
    // A depot does not take what it has for right, if it is not: it writes the blob again.
    put(&wrong_range()).unwrap();
    assert_eq!(depot(dir.path(), None).read(&hello, 5).unwrap(), b"hello");
}

#[test]
fn a_lost_blob_is_found_and_named_at_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let lost = put(&depot(dir.path(), Some((1, Fault::LostWrite)))).unwrap_err();
    assert!(lost.to_string().contains(&Sha256::of(b"hello").to_hex()), "{lost}");
    assert!(lost.to_string().contains("run the command again"), "{lost}");
    put(&depot(dir.path(), None)).unwrap();
}

#[test]
fn an_error_at_any_call_names_no_blob_too_early() {
    for call in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let failed = put(&depot(dir.path(), Some((call, Fault::Error))));
        let digest = Sha256::of(b"hello");
        let whole = depot(dir.path(), None);
        match whole.size(&digest).unwrap() {
            None => assert!(failed.is_err(), "call {call}"),
            Some(_) => assert_eq!(whole.read(&digest, 5).unwrap(), b"hello"),
        }
        assert_eq!(put(&whole).unwrap(), digest, "call {call}");
        assert_eq!(whole.partials().unwrap(), [], "call {call}");
    }
}

/// An import of a second bundle, over stores that fail.
struct Faults {
    world: World,
    second: std::path::PathBuf,
    calls: Vec<Call>,
    old: Snapshot,
    new: Snapshot,
}

impl Faults {
    /// Imports once without a fault, and notes the calls.
    fn new() -> Self {
        let world = World::new(Arc::new(Debs::small()), "64 KiB");
        let first = world.bundle();
        world.publish(2);
        let second = world.bundle();
        bring(&world.site("template"), &first).unwrap();
        let reference = world.path("reference");
        copy(&world.path("template"), &reference);
        let store = Arc::new(FaultyStore::new(&reference, None));
        bring(&Site::open_in(&reference, store.clone()).unwrap(), &second).unwrap();
        let (old, new) = (published(&world, &world.path("template")), published(&world, &reference));
        assert!(difference(&old, &new).is_some());
        Self { calls: store.calls(), old, new, second, world }
    }

    /// Imports with the fault at some calls that can have it. Hands each result to `judge`, and finishes the import.
    fn each(&self, fault: Fault, between: usize, judge: impl Fn(&Call, &Result<(), SiteError>)) {
        let calls = self.calls.iter().enumerate().filter(|(_, call)| call.can_have(fault)).collect();
        let stratum = |(_, call): &(usize, &Call)| (call.method, call.key.split('/').next().map(str::to_owned));
        for (at, call) in Sample::new().strata(calls, between, stratum) {
            let folder = self.world.path("faulty");
            let _ = fs::remove_dir_all(&folder);
            copy(&self.world.path("template"), &folder);
            let is_of_method = |other: &&Call| other.method == call.method;
            let number = self.calls.iter().take(at).filter(is_of_method).count();
            let store = Arc::new(FaultyStore::new(&folder, Some((FaultyCall::Of(call.method, number), fault))));
            let site = Site::open_in(&folder, store.clone()).unwrap();
            let result = bring(&site, &self.second).map(drop);
            let calls = store.calls(); // generated blobs differ by their dates
            judge(calls.iter().filter(is_of_method).nth(number).expect("the faulty call"), &result);
            let number = whole_generation(&self.world, &folder);
            let should_be = if number == 1 { &self.old } else { &self.new };
            assert_eq!(difference(should_be, &published(&self.world, &folder)), None, "{call:?}");
            assert!(result.is_err() || number == 2, "{call:?}");

            match bring(&Site::open(&folder).unwrap(), &self.second) {
                Ok(_) => assert_eq!(number, 1, "{call:?}"),
                Err(SiteError::AlreadyImported { .. }) => assert_eq!(number, 2, "{call:?}"),
                Err(error) => panic!("{call:?}: {error}"),
            }
            assert_eq!(whole_generation(&self.world, &folder), 2, "{call:?}");
            assert_eq!(difference(&self.new, &published(&self.world, &folder)), None, "{call:?}");
            nothing_is_left_over(&folder, &["1", "2"]);
            let checked = check(&Site::open(&folder).unwrap(), CheckOptions::default(), &Progress::hidden()).unwrap();
            assert!(checked.flawed.is_empty(), "{call:?}: {:?}", checked.flawed);
        }
    }
}

#[test]
fn an_import_with_an_error_at_any_call_leaves_the_old_site_or_the_new_one_and_is_finished_by_the_next() {
    Faults::new().each(Fault::Error, 0, |call, result| {
        assert!(call.method != "size" || result.is_err(), "an error is no answer: {call:?}");
    });
}

#[test]
fn an_import_that_loses_a_write_says_so_and_is_finished_by_the_next() {
    Faults::new().each(Fault::LostWrite, 3, |call, result| {
        let error = result.as_ref().expect_err(&format!("{call:?}"));
        let text = causes(error).join(": ");
        assert!(text.contains("is not there now") && text.contains("run the command again"), "{call:?}: {text}");
    });
}

#[test]
fn an_import_that_reads_wrong_bytes_publishes_nothing_wrong_and_names_them() {
    Faults::new().each(Fault::WrongBytes, 3, |call, result| {
        let Err(error) = result else { return };
        let (text, name) = (causes(error).join(": "), call.key.rsplit('/').next().unwrap());
        assert!(text.contains(name), "{call:?}: {text}");
    });
}
