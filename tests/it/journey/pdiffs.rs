//! Patches from earlier states of indexes. The judge is apt-get with the settings that it comes with: it asks for patches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gapferry::cli::Exit;
use gapferry::collection::{Collection, Proof};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::trust::SecretKey;
use gapferry::upstream::{DebSpec, Upstream, bulk};
use serde_json::json;

use crate::apt_client::{AptClient, run};
use crate::support::desk::{ARCHIVE_KEY, Desk};
use crate::support::lies::put;
use crate::support::read_bundle::{ReadBundle, repack};
use crate::support::server::{Fault, Server, Times};
use crate::support::world::manifest_of;

const SUITE: &str = "debian/dists/stable";
const LIST: &str = "main/binary-amd64/Packages.diff/Index";
const PATCH: &str = "main/binary-amd64/Packages.diff/0000.gz";

/// The archive in one of its states. Each has one package more, and another version of `hello`.
///
/// apt wants patches only if they are smaller than the whole index, so there are many packages that never change.
fn upstream(state: u32) -> Upstream {
    let mut upstream = Upstream::new("Patched", &["amd64"]);
    upstream.pdiffs = true;
    for deb in bulk(200, 10, 1) {
        upstream.add("stable", "main", deb);
    }
    upstream.add("stable", "main", DebSpec::new("hello", &format!("{state}.0-1"), "amd64"));
    for number in 0..state {
        upstream.add("stable", "main", DebSpec::new(&format!("new-{number}"), "1.0-1", "amd64"));
    }
    upstream
}

/// An archive and a site that publishes it verbatim.
struct Patched {
    desk: Desk,
    server: Server,
}

impl Patched {
    /// An archive in its second state, of which nothing was carried yet.
    fn new(by_hash: bool) -> Self {
        let patched = Self::with_indexes("\"translations\", \"contents\", \"appstream\", \"commands\", \"pdiffs\"");
        for state in [1, 2] {
            let mut upstream = upstream(state);
            upstream.by_hash = by_hash;
            patched.desk.archive("up/debian", &mut upstream, &["stable"]);
        }
        patched
    }

    fn with_indexes(indexes: &str) -> Self {
        let desk = Desk::new();
        fs::create_dir(desk.path("up")).unwrap();
        let server = Server::start(&desk.path("up"));
        let more = format!("publish = \"verbatim\"\npackages = [\"hello\"]\nindexes = [{indexes}]");
        desk.select(&desk.table("demo", server.url("debian").as_str(), "stable main amd64", &more));
        desk.init(&["demo"], "");
        Self { desk, server }
    }

    /// A file of the suite at upstream.
    fn upstreams(&self, below: &str) -> PathBuf {
        self.desk.path(&format!("up/{SUITE}/{below}"))
    }

    /// A file of the suite at the site.
    fn published(&self, below: &str) -> PathBuf {
        self.desk.path(&format!("site/current/apt/demo/dists/stable/{below}"))
    }
}

/// A client that knows upstream's key and has all programs that ask for indexes.
fn client(uri: &str) -> AptClient {
    let client = AptClient::new("amd64").with_programs();
    let keyring = client.path("upstream.gpg");
    fs::write(&keyring, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    client.source("deb", uri, "stable", "main", &keyring);
    client
}

/// Updates without complaint, and takes nothing but the Release and patches with their lists.
#[track_caller]
fn updates_by_patches(client: &AptClient) {
    let output = client.updates_without_complaint("");
    let fetched = || output.lines().filter(|line| line.starts_with("Get:"));
    let is_whole = |line: &&str| ![" InRelease [", ".diff/Index [", ".pdiff ["].iter().any(|part| line.contains(part));
    assert_eq!(fetched().filter(is_whole).collect::<Vec<_>>(), [""; 0], "{output}");
    for index in ["amd64 Packages ", "Translation-en ", "Contents (deb) ", "DEP-11 Metadata ", "c-n-f Metadata "] {
        let is_patch = |line: &str| line.contains(index) && line.contains(".pdiff [");
        assert!(fetched().any(is_patch), "{index}: {output}");
    }
}

/// The digests of the uncompressed lists that a client has, by their names without the archive's.
fn lists(client: &AptClient) -> BTreeMap<String, Sha256> {
    let folder = client.path("var/lib/apt/lists");
    let mut lists = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // A client that has fetched no patches has no list of them.
        let name = name.split_once("_dists_").map(|(_, name)| name).filter(|name| !name.ends_with(".diff_Index"));
        let Some(name) = name else { continue };
        let plain = [".lz4", ".xz", ".gz"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let text = run(client.command("/usr/lib/apt/apt-helper").arg("cat-file").arg(&path));
        lists.insert(plain.to_owned(), Sha256::of(text.as_bytes()));
    }
    lists
}

#[test]
fn clients_with_an_older_state_update_by_patches_and_get_what_upstream_has() {
    let patched = Patched::with_indexes("\"translations\", \"contents\", \"appstream\", \"commands\", \"pdiffs\"");
    let next = |state| {
        patched.desk.archive("up/debian", &mut upstream(state), &["stable"]);
        patched.desk.ferry();
    };
    next(1);
    let serving = patched.desk.serve();
    let uri = format!("http://{}/apt/demo", serving.address);
    let [often, rarely] = [client(&uri), client(&uri)];
    often.updates_without_complaint("");
    rarely.updates_without_complaint("");
    next(2);
    updates_by_patches(&often);
    assert_eq!(super::candidate(&often, "hello"), "2.0-1");
    next(3);
    updates_by_patches(&often);
    updates_by_patches(&rarely);
    let before = client(patched.server.url("debian").as_str());
    before.updates_without_complaint("");
    let expected = lists(&before);
    assert_eq!(expected.len(), 6, "{:?}", expected.keys());
    assert_eq!(lists(&often), expected);
    assert_eq!(lists(&rarely), expected);
}

#[test]
fn patches_are_carried_only_if_they_are_selected() {
    let patched = Patched::new(true);
    let more = "publish = \"verbatim\"\npackages = [\"hello\"]";
    let url = patched.server.url("debian");
    patched.desk.select(&patched.desk.table("demo", url.as_str(), "stable main amd64", more));
    let manifest = manifest_of(&patched.desk.bundle());
    let is_of_patches = |proof: &&Proof| proof.path.as_str().contains(".diff/");
    assert_eq!(manifest.collections[0].proofs.iter().find(is_of_patches), None);
}

#[test]
fn lists_and_patches_are_found_by_name_and_by_digest_on_both_sides() {
    for removed in ["by-hash", "plain"] {
        let patched = Patched::new(true);
        if removed == "plain" {
            fs::remove_file(patched.upstreams(LIST)).unwrap();
            fs::remove_file(patched.upstreams(PATCH)).unwrap();
        } else {
            fs::remove_dir_all(patched.upstreams(LIST).with_file_name("by-hash")).unwrap();
        }
        patched.desk.export("--dry-run").ok();
        patched.desk.ferry();
        for below in [LIST, PATCH] {
            let bytes = fs::read(patched.published(below)).unwrap();
            let by_hash = format!("by-hash/SHA256/{}", Sha256::of(&bytes));
            assert_eq!(
                fs::read(patched.published(below).with_file_name(by_hash)).unwrap(),
                bytes,
                "{removed}: {below}"
            );
        }
    }
}

#[test]
fn export_refuses_a_list_or_a_patch_that_is_not_the_signed_one() {
    let patched = Patched::new(false);
    for below in [LIST, PATCH] {
        let at = format!("{SUITE}/{below}");
        patched.server.fault(&at, Times::ALWAYS, Fault::Flip(20));
        patched.desk.export("").says(Exit::VerificationFailed, &[&at, "is signed; nothing of it was kept"]);
        patched.server.heal(&at);
    }
    patched.desk.export("").ok();
}

#[test]
fn export_names_a_list_of_which_upstream_lacks_a_patch() {
    let patched = Patched::new(false);
    fs::remove_file(patched.upstreams(PATCH)).unwrap();
    let exported = patched.desk.export("--json").ok();
    let row = json!({ "suite": "apt/demo/dists/stable", "kind": "pdiffs", "count": 1, "examples": [LIST] });
    assert_eq!(exported.json()["missing_indexes"], json!([row]));
    assert!(exported.err.contains(&format!("({LIST}): apt fetches these indexes whole")), "{}", exported.err);
    patched.desk.import(&patched.desk.path(exported.json()["bundle"].as_str().unwrap())).ok();
    assert!(!patched.published(LIST).exists() && patched.published("main/Contents-amd64.diff/Index").exists());
    let serving = patched.desk.serve();
    client(&format!("http://{}/apt/demo", serving.address)).updates_without_complaint("");
}

#[test]
fn export_refuses_a_signed_list_that_is_malformed() {
    let patched = Patched::new(false);
    let list = fs::read_to_string(patched.upstreams(LIST)).unwrap();
    let broken = list.replace("0000.gz", "../../../../0000.gz");
    let line = |text: &str| format!(" {} {:>10} {LIST}\n", Sha256::of(text.as_bytes()), text.len());
    fs::write(patched.upstreams(LIST), &broken).unwrap();
    let in_release = fs::read_to_string(patched.upstreams("InRelease")).unwrap();
    let signed = in_release.split_once("\n\n").unwrap().1.split_once("-----BEGIN PGP SIGNATURE").unwrap().0;
    let release = signed.replace(&line(&list), &line(&broken));
    assert_ne!(release, signed);
    let made = gapferry::time::Time::now().unix() - 5;
    fs::write(patched.upstreams("InRelease"), ARCHIVE_KEY.sign_clear(&release, made).unwrap()).unwrap();
    let words = [LIST, "its SHA256-Download has a malformed line"];
    patched.desk.export("").says(Exit::VerificationFailed, &words);
}

/// A change to the manifest of a builder who lies.
type Lie = fn(&mut Collection, &Depot);

fn proof<'p>(proofs: &'p mut [Proof], below: &str) -> &'p mut Proof {
    proofs.iter_mut().find(|proof| proof.path.as_str() == format!("dists/stable/{below}")).unwrap()
}

fn swap_for_evil(collection: &mut Collection, depot: &Depot) {
    proof(&mut collection.proofs, PATCH).sha256 = put(depot, b"evil");
}

fn swap_for_the_patch_of_another_index(collection: &mut Collection, _: &Depot) {
    let other = proof(&mut collection.proofs, "main/Contents-amd64.diff/0000.gz").sha256;
    proof(&mut collection.proofs, PATCH).sha256 = other;
}

fn add_a_patch(collection: &mut Collection, depot: &Depot) {
    let path = format!("dists/stable/{}", PATCH.replace("0000", "9999")).parse().unwrap();
    collection.proofs.push(Proof { date: None, path, sha256: put(depot, b"evil"), signed_by: Vec::new() });
    collection.proofs.sort_by(|a, b| a.path.cmp(&b.path));
}

fn swap_with_the_list(collection: &mut Collection, depot: &Depot) {
    let genuine = proof(&mut collection.proofs, PATCH).sha256;
    swap_for_evil(collection, depot);
    let evil = proof(&mut collection.proofs, PATCH).sha256;
    let list = String::from_utf8(depot.read(&proof(&mut collection.proofs, LIST).sha256, 1 << 20).unwrap()).unwrap();
    assert!(list.contains(&genuine.to_hex()));
    proof(&mut collection.proofs, LIST).sha256 = put(depot, list.replace(&genuine.to_hex(), &evil.to_hex()).as_bytes());
}

fn leave_out_the_list(collection: &mut Collection, _: &Depot) {
    collection.proofs.retain(|proof| !proof.path.as_str().ends_with(LIST));
}

#[test]
fn import_refuses_patches_that_upstream_does_not_vouch_for() {
    let patched = Patched::new(true);
    let bundle = patched.desk.bundle();
    let honest = manifest_of(&bundle);
    let key = SecretKey::load(&patched.desk.path("online/builder.key"), || None).unwrap();
    let depot = Depot::open(&patched.desk.path("online/workspace/depot")).unwrap();
    let lies: [(&str, Lie); 5] = [
        ("evil", swap_for_evil),
        ("other", swap_for_the_patch_of_another_index),
        ("added", add_a_patch),
        ("list", swap_with_the_list),
        ("alone", leave_out_the_list),
    ];
    let import =
        |bundle: &Path, more: &str| patched.desk.run(&format!("import {} --site site {more}", bundle.display()));
    for (name, tell) in lies {
        let tell = |manifest: &mut ReadBundle| tell(&mut manifest.collections[0], &depot);
        let evil = repack(&honest, &[], &depot, (&patched.desk.path(name), &key), tell);
        for more in ["--dry-run", ""] {
            let words = ["does not vouch for dists/stable/main/binary-amd64/Packages.diff/"];
            import(&evil, more).says(Exit::VerificationFailed, &words);
        }
    }
    import(&bundle, "--dry-run").ok();
    import(&bundle, "").ok();
}
