//! Worlds of snaps: a folder as `snap download` leaves it, signed by a store that only a gapferry built for tests trusts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use gapferry::formats::assertions::{Sha3, Trust};
use gapferry::label::Label;
use gapferry::site::Site;
use gapferry::upstream::assertions::{KEYS_SINCE, QUICK_SEEDS, TestAuthority, TestKey};
use gapferry::upstream::{Payload, SnapSpec, build_snap};

use super::lies::{Lie, Truth};
use super::snaps_lies;
use super::world::Content;
use crate::apt_client::run;

/// Three snaps: one that compresses, one that is large and does not, and one that is the same in every state.
pub(crate) struct Snaps;

/// The publisher of all of them.
const PUBLISHER: &str = "gapPublisherGapPublisherGapPubli";

/// The store of these worlds.
pub(crate) fn authority() -> &'static TestAuthority {
    TestAuthority::trusted_in_tests().unwrap()
}

/// The roots that the tests' build of gapferry trusts.
pub(crate) fn roots() -> &'static Trust {
    static ROOTS: LazyLock<Trust> = LazyLock::new(|| Trust::roots_and(authority().roots()).unwrap());
    &ROOTS
}

/// Opens a site as the commands of the tests' build do.
pub(crate) fn open_site(folder: &Path) -> Site {
    let mut site = Site::open(folder).unwrap();
    site.snap_roots = roots();
    site
}

/// The id of the snap `name`.
pub(crate) fn snap_id(name: &str) -> String {
    if name == "snapd" {
        // The one that it has in the store: snapd's base declaration lets no other snap have the slots that it gives to snapd
        // (`interfaces/builtin/shared_memory.go`).
        return "PMrrV4ml8uWuEUDBT8dSGnKUYbevVhc4".to_owned();
    }
    format!("{name:x<32}").replace('-', "y")
}

/// What revision `revision` of a snap is.
pub(crate) fn spec(name: &str, revision: u64) -> SnapSpec {
    let version = format!("1.{revision}");
    let seed = snap_id(name).bytes().map(u64::from).sum::<u64>() + (revision << 20);
    let noise = |size| Payload::Pseudorandom { size, seed };
    let text = || Payload::Bytes(format!("revision {revision} says it over and over ").repeat(4000).into_bytes());
    let app = SnapSpec { base: Some("core-gap".to_owned()), ..SnapSpec::new(name, &version) };
    match name {
        "words" => SnapSpec { extra_yaml: "license: GPL-3.0-only\n".to_owned(), ..app }.with_file("words.txt", text()),
        "large" => SnapSpec { architectures: vec!["amd64".to_owned()], ..app }.with_file("noise", noise(150_000)),
        _ => SnapSpec::of_kind("base", name, &version).with_file("noise", noise(20_000)),
    }
}

/// The bytes of revision `revision` of a snap.
pub(crate) fn snap(name: &str, revision: u64) -> Vec<u8> {
    build_snap(&spec(name, revision)).unwrap()
}

/// What the store says of these bytes: the assertions that `snap download` writes beside them.
pub(crate) fn assertions(store: &TestAuthority, name: &str, revision: u64, bytes: &[u8]) -> Vec<u8> {
    said(store, (&store.store, store.store_key()), name, revision, bytes)
}

/// The same, signed by a key that the root vouches for, but that was valid only up to 2020.
pub(crate) fn by_an_expired_key(store: &TestAuthority, name: &str, revision: u64, bytes: &[u8]) -> Vec<u8> {
    let key = TestKey::from_seed(QUICK_SEEDS[0]).unwrap();
    let said_of_key =
        store.account_key(&key, &store.account_id, "old", KEYS_SINCE).header("until", "2020-01-01T00:00:00Z");
    said(store, (&key, &said_of_key.sign(&store.root).unwrap()), name, revision, bytes)
}

fn said(
    store: &TestAuthority,
    (key, account_key): (&TestKey, &[u8]),
    name: &str,
    revision: u64,
    bytes: &[u8],
) -> Vec<u8> {
    let said = [
        store.account(PUBLISHER, "gap-publisher", "verified").sign(key).unwrap(),
        store.snap_declaration(&snap_id(name), name, PUBLISHER).sign(key).unwrap(),
        store
            .snap_revision(Sha3::of(bytes), bytes.len() as u64, &snap_id(name), revision, PUBLISHER)
            .sign(key)
            .unwrap(),
    ];
    [account_key.to_vec(), said.join(&b"\n"[..])].join(&b"\n"[..])
}

impl Content for Snaps {
    fn publish(&self, upstream: &Path, number: u32) {
        let folder = upstream.join("snaps");
        let _ = fs::remove_dir_all(&folder); // what is there is of another state
        fs::create_dir_all(&folder).unwrap();
        for (name, revision) in [("words", u64::from(number)), ("large", 10 + u64::from(number)), ("core-gap", 7)] {
            let bytes = snap(name, revision);
            fs::write(
                folder.join(format!("{name}_{revision}.assert")),
                assertions(authority(), name, revision, &bytes),
            )
            .unwrap();
            fs::write(folder.join(format!("{name}_{revision}.snap")), bytes).unwrap();
        }
    }

    fn sources(&self, upstream: &Path) -> String {
        format!("[[snaps]]\nfrom = \"{}/snaps\"\nclosure = false\n", upstream.display())
    }

    fn pins(&self, _: &Path) -> Vec<(Label, PathBuf)> {
        Vec::new() // the store's roots are built in
    }

    fn check(&self, folder: &Path) {
        let snaps = fs::read_dir(folder.join("snaps/store")).unwrap().map(|entry| entry.unwrap().path());
        let snaps: Vec<PathBuf> = snaps.filter(|path| path.extension().is_some_and(|e| e == "snap")).collect();
        assert_eq!(snaps.len(), 3, "{snaps:?}");
        snaps.iter().for_each(|snap| check_snap(snap));
    }

    fn undated(&self, _: &Path, _: &str) -> Option<String> {
        None // the site signs nothing of it
    }

    fn dated(&self) -> bool {
        false // a folder has no date
    }

    fn long_names(&self) -> bool {
        false // names of snaps are short
    }

    fn kills(&self) -> usize {
        60
    }

    fn lies(&self) -> Vec<Lie> {
        snaps_lies::lies()
    }

    fn truths(&self) -> Vec<Truth> {
        snaps_lies::truths()
    }
}

/// Judges a published snap by the text of its assertions and openssl's digest of its bytes.
fn check_snap(snap: &Path) {
    let text = fs::read_to_string(snap.with_extension("assert")).unwrap();
    let of = |kind: &str| {
        let start = text.find(&format!("type: {kind}\n")).unwrap_or_else(|| panic!("no {kind}: {text}"));
        text[start..].split("\n\n").next().unwrap()
    };
    let header = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {block}")).to_owned()
    };
    let revision = of("snap-revision");
    let script = "openssl dgst -sha3-384 -binary \"$1\" | openssl base64 -A | tr '+/' '-_'";
    let digest = run(Command::new("bash").args(["-c", script, "digest"]).arg(snap));
    assert_eq!(header(revision, "snap-sha3-384"), digest.trim());
    assert_eq!(header(revision, "snap-size"), fs::metadata(snap).unwrap().len().to_string());
    let name = format!("{}_{}", header(of("snap-declaration"), "snap-name"), header(revision, "snap-revision"));
    assert_eq!(snap.file_stem().unwrap().to_str().unwrap(), name);
}
