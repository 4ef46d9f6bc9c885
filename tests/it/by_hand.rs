//! Bundles checked and unpacked by hand, as their own VERIFY.txt says, and signed by a signing room with ssh-keygen.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use gapferry::bundle::packing::index::Encoding;
use gapferry::bundle::state::stored_state::StoredState;
use gapferry::collection::Collection;
use gapferry::digest::Sha256;
use gapferry::formats::apt::archive::IndexName;
use gapferry::kind::Kind;
use gapferry::site::Site;
use gapferry::upstream::{DebSpec, build_deb};
use serde_json::json;

use crate::apt_client::{output, run};
use crate::support::bundles::report;
use crate::support::desk::{ARCHIVE_KEY, Desk};
use crate::support::read_bundle::ReadBundle;
use crate::support::snaps::open_site;
use crate::support::snapshot::copy;
use crate::support::world::{Content, World, bring, each_content, each_content_and_flat, manifest_of};

/// The commands under the heading of this number in a bundle's VERIFY.txt, as they stand there.
pub(crate) fn verify_commands(bundle: &Path, number: u32) -> Vec<String> {
    let text = fs::read_to_string(bundle.join("VERIFY.txt")).unwrap();
    let from = text.split(&format!("\n{number}. ")).nth(1).unwrap();
    let step = from.split(&format!("\n{}. ", number + 1)).next().unwrap();
    let commands: Vec<_> = step.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect();
    assert!(!commands.is_empty());
    commands
}

/// A world with a site that has its first bundle, the folder of a copy of the second with the builder's public key in it, and the
/// folder for what VERIFY.txt makes.
struct Hand {
    world: World,
}

impl Hand {
    fn new(content: Arc<dyn Content>) -> Self {
        let world = World::new(content, "64 KiB");
        bring(&world.site("site"), &world.bundle()).unwrap();
        world.publish(2);
        copy(&world.bundle(), &world.path("copy"));
        fs::copy(world.path("online/builder.key.pub"), world.path("copy/builder.pub")).unwrap();
        fs::create_dir_all(world.path("work")).unwrap();
        fs::create_dir_all(world.path("keys")).unwrap();
        for (source, keyring) in world.content.pins(&world.path("upstream")) {
            fs::copy(keyring, world.path(&format!("keys/{source}.gpg"))).unwrap();
        }
        Self { world }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.world.path("copy").join(name)
    }

    /// Runs the commands under the heading of this number in the bundle's folder, in a shell that knows nothing but POSIX.
    fn follow(&self, number: u32) -> Output {
        let mut commands = verify_commands(&self.world.path("copy"), number);
        if number == 1 {
            // Each step has a shell of its own here.
            assert_eq!(commands[0], "work=$(mktemp -d) && mkdir \"$work/tree\"");
            commands[0] = "mkdir -p \"$work/tree\"".into();
        }
        let mut dash = Command::new("dash");
        dash.args(["-e", "-c", &commands.join("\n")]).current_dir(self.world.path("copy"));
        let folders = ["work", "site", "keys"].map(|name| (name, self.world.path(name)));
        output(dash.envs(folders))
    }

    fn passes(&self, number: u32) -> String {
        let output = self.follow(number);
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "step {number}: {words}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "step {number}");
        words
    }
}

/// The step that unpacks.
const UNPACK: u32 = 3;

fn flip(path: &Path, offset: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

each_content_and_flat!(verify_txt_checks_and_unpacks_with_stock_tools_alone);
fn verify_txt_checks_and_unpacks_with_stock_tools_alone(content: Arc<dyn Content>) {
    let long_names = content.long_names();
    let hand = Hand::new(content);
    let bundle = manifest_of(&hand.file(""));
    assert!(bundle.volumes().len() > 2 && bundle.parts().any(|part| part.encoding == Encoding::Zstd));
    assert!(bundle.parts().any(|part| part.start > 0 && part.encoding == Encoding::Raw));
    let state = StoredState::in_files(&hand.file("manifest.json"), &hand.file("")).unwrap();
    let mut walk = state.lists.walk(&bundle.blobs);
    let (mut expected, carried) = (Vec::new(), bundle.carried());
    while let Some(blob) = walk.next_blob().unwrap() {
        if carried.contains_key(&blob.sha256) {
            expected.push((blob.name.clone(), blob.sha256));
        }
    }
    expected.sort();
    assert_eq!(expected.iter().any(|(name, _)| name.len() > 100), long_names);

    let words = hand.passes(1);
    for namespace in ["gapferry-manifest", "gapferry-packing"] {
        assert!(words.contains(&format!("Good \"{namespace}\" signature for builder")), "{words}");
    }
    let words = hand.passes(2);
    assert!(words.lines().all(|line| line.ends_with(": OK")), "{words}");
    assert_eq!(words.lines().count(), 2 * bundle.volumes().len() + bundle.collections.len() + 2);
    assert_eq!(hand.passes(UNPACK), "");

    let tree = hand.world.path("work/tree");
    let files = walkdir::WalkDir::new(&tree).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    let mut found: Vec<(String, Sha256)> = files
        .map(|entry| {
            let name = entry.path().strip_prefix(&tree).unwrap().to_str().unwrap().to_owned();
            (name, Sha256::of(&fs::read(entry.path()).unwrap()))
        })
        .collect();
    found.sort();
    assert_eq!(found, expected);
    // No file differs from the lists, and none is in no list; the rest of the state is at the site.
    let files = bundle.collections.iter().map(|collection| collection.paths().count()).sum::<usize>();
    assert_eq!(hand.passes(4).trim(), (files - found.len()).to_string());
    upstreams_signatures_count(&hand, &bundle);
}

/// Fails unless the last step checks each file that upstream has signed, as far as it travels.
fn upstreams_signatures_count(hand: &Hand, bundle: &ReadBundle) {
    let carried = bundle.carried();
    let collection = &bundle.collections[0];
    let signed: Vec<_> = match collection.kind {
        Kind::Snaps => Vec::new(), // by assertions
        _ => collection.proofs.iter().filter(|proof| !proof.signed_by.is_empty()).collect(),
    };
    let words = hand.passes(5);
    for proof in &signed {
        assert!(carried.contains_key(&proof.sha256), "each state has its own: {proof:?}");
        assert!(words.contains(&format!("good {}/{}\n", collection.folder(), proof.path)), "{words}");
    }
    let unproven = collection.items.iter().filter(|item| item.proof.is_none());
    for item in unproven {
        assert!(words.contains(&format!("{} {}\n", item.name, item.version)), "{words}");
    }
    assert!(!words.contains("not vouched for"), "{words}");
    if collection.kind == Kind::Apt {
        indexes_count(hand, collection);
    }
    let Some(first) = signed.first() else { return };
    let file = hand.world.path("work/tree").join(collection.folder()).join(first.path.as_str());
    let (good, bad) = (fs::read(&file).unwrap(), hand.world.path("keys/else.gpg"));
    flip(&file, 100);
    let words = String::from_utf8(hand.follow(5).stdout).unwrap();
    assert!(words.contains("BAD ") && !hand.follow(5).status.success(), "{words}");
    fs::write(&file, good).unwrap();
    hand.passes(5);
    fs::write(&bad, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    for (source, _) in hand.world.content.pins(&hand.world.path("upstream")) {
        fs::copy(&bad, hand.world.path(&format!("keys/{source}.gpg"))).unwrap();
    }
    assert!(!hand.follow(5).status.success(), "another key");
}

/// Fails unless packages count as vouched for only below indexes that the signed text names.
fn indexes_count(hand: &Hand, collection: &Collection) {
    let folder = hand.world.path("work/tree").join(collection.folder());
    let is_index = |path: &str| IndexName::parse(path.trim_start_matches("./")).is_some();
    let indexes = collection.proofs.iter().map(|proof| proof.path.as_str()).filter(|path| {
        let below = path.strip_prefix("dists/").and_then(|path| path.split_once('/')).map_or(*path, |(_, below)| below);
        is_index(below.rsplit_once("binary-").map_or(below.rsplit('/').next().unwrap(), |_| below))
    });
    let indexes: Vec<_> = indexes.map(|path| folder.join(path)).filter(|path| path.exists()).collect();
    assert!(!indexes.is_empty());
    for index in &indexes {
        flip(index, 20);
    }
    let words = hand.passes(5);
    let item = &collection.items[0];
    assert!(words.contains(&format!("not vouched for: {}/{}\n", collection.folder(), item.file)), "{words}");
    for index in &indexes {
        flip(index, 20);
    }
}

each_content_and_flat!(a_reader_in_python_unpacks_each_kind);
fn a_reader_in_python_unpacks_each_kind(content: Arc<dyn Content>) {
    let hand = Hand::new(content);
    let world = &hand.world;
    let bundle = manifest_of(&hand.file(""));
    // Some of what travels is lost of each of two packings.
    let size = ["--volume-size", "150kB", "--out", "again", "--key", "online/builder.key"];
    run(world.gapferry(&["recut", "dc1-base-000002", "--workspace", "online/workspace"]).args(size));
    let again = manifest_of(&world.path("again/dc1-base-000002"));
    let larger = again.packings.iter().find(|other| !other.folder.ends_with(id_of(&bundle))).unwrap();
    fs::remove_file(bundle.packing().folder.join("volume-001.tar")).unwrap();
    let last = larger.packing.volumes.len();
    if last > 1 {
        fs::remove_file(larger.folder.join(format!("volume-{last:03}.tar"))).unwrap();
    }

    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/gapferry_reader.py");
    let mut python = Command::new("python3");
    python.arg("-B").arg(reader).arg("--key").arg(hand.file("builder.pub"));
    python.arg("--held").arg(world.path("site/depot")).arg("--unpack").arg(world.path("unpacked"));
    let (code, report) = report(&output(python.arg("--also").arg(&again.folder).arg(hand.file(""))));
    let carried = bundle.carried();
    let missing: Vec<String> =
        bundle.sizes().into_keys().filter(|blob| !carried.contains_key(blob)).map(|blob| blob.to_hex()).collect();
    assert_eq!((code, &report["missing"]), (if missing.is_empty() { 0 } else { 2 }, &json!(missing)), "{report}");
    assert!(world.content.deltas() != missing.is_empty(), "{report}");
    for collection in &bundle.collections {
        for (path, digest) in collection.paths().filter(|(_, digest)| carried.contains_key(digest)) {
            let file = world.path("unpacked").join(collection.folder()).join(path);
            assert_eq!(Sha256::of(&fs::read(&file).unwrap()), *digest, "{path}");
        }
    }
}

fn id_of(bundle: &ReadBundle) -> String {
    bundle.packing().folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The kinds that have no upstream: own packages, and exports for an Enterprise Store.
#[test]
fn stock_tools_and_the_reader_in_python_read_what_nobody_signs() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("online/debs")).unwrap();
    let deb = build_deb(&DebSpec::new("own", "1", "all")).unwrap();
    fs::write(desk.path("online/debs/own.deb"), deb).unwrap();
    fs::write(desk.path("online/jq-20250101T000000.tar.gz"), "an export").unwrap();
    desk.select("[[apt]]\nname = \"own\"\nlocal = \"debs\"\n[[enterprise-store]]\nexports = \"*.tar.gz\"\n");
    let bundle = desk.bundle();
    fs::copy(desk.path("online/builder.key.pub"), bundle.join("builder.pub")).unwrap();
    let commands: Vec<String> = (1..=5).flat_map(|step| verify_commands(&bundle, step)).collect();
    let mut dash = Command::new("dash");
    dash.args(["-e", "-c", &commands.join("\n")]).current_dir(&bundle).env("TMPDIR", desk.path(""));
    let words = output(&mut dash);
    let (said, errors) = (String::from_utf8_lossy(&words.stdout), String::from_utf8_lossy(&words.stderr));
    assert!(words.status.success() && errors.is_empty(), "{said}{errors}");
    for item in ["own 1", "jq 20250101T000000"] {
        assert!(said.lines().any(|line| line == item), "{said}");
    }
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/gapferry_reader.py");
    let mut python = Command::new("python3");
    python.arg("-B").arg(reader).arg("--key").arg(bundle.join("builder.pub")).arg(&bundle);
    let (code, report) = report(&output(&mut python));
    assert_eq!(code, 0, "{report}");
}

each_content!(stock_tools_notice_what_was_altered);
fn stock_tools_notice_what_was_altered(content: Arc<dyn Content>) {
    let hand = Hand::new(content);
    let bundle = manifest_of(&hand.file(""));
    let packing = &bundle.packing().folder;
    let (manifest, list) = (hand.file("manifest.json"), hand.file(&bundle.header.collections[0].list_file()));
    let fails = |step: u32, what: &str| assert!(!hand.follow(step).status.success(), "step {step} passes {what}");

    for (path, what) in [(&manifest, "an altered manifest"), (&packing.join("packing.json"), "an altered packing")] {
        for offset in [0, 100, fs::metadata(path).unwrap().len() - 2] {
            flip(path, offset);
            fails(1, what);
            flip(path, offset);
        }
    }
    let (volume, index) = (packing.join("volume-002.tar"), packing.join("volume-001.idx"));
    for (path, what) in [
        (&manifest, "an altered manifest"),
        (&volume, "an altered volume"),
        (&index, "an altered index"),
        (&list, "an altered list"),
        (&hand.file("VERIFY.txt"), "an altered VERIFY.txt"),
    ] {
        flip(path, 50);
        // The commands are those of the right VERIFY.txt, and it has an altered word above them.
        fails(2, what);
        flip(path, 50);
    }
    hand.passes(1);
    hand.passes(2);
    let other = hand.world.path("other");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other));
    fs::copy(other.with_extension("pub"), hand.file("builder.pub")).unwrap();
    fails(1, "another builder");
}

/// A key made by ssh-keygen in the folder `online` of the world; returns the arguments that use it.
fn stock_key(world: &World, name: &str, passphrase: &str) -> Vec<String> {
    let key = world.path("online").join(name);
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-C", "a b", "-N", passphrase, "-f"]).arg(&key));
    let mut arguments = vec!["--key".to_owned(), key.to_str().unwrap().to_owned()];
    if !passphrase.is_empty() {
        let file = world.path("online/passphrase");
        fs::File::create(&file).unwrap().write_all(format!("{passphrase}\n").as_bytes()).unwrap();
        arguments.extend(["--passphrase-file".to_owned(), file.to_str().unwrap().to_owned()]);
    }
    arguments
}

fn export(world: &World, more: &[String]) -> std::path::PathBuf {
    let mut command = world.gapferry(&["export", "online/selection.toml", "--out", "medium", "--force"]);
    let words = run(command.args(["--workspace", "online/workspace", "--quiet"]).args(more));
    world.path(words.lines().last().unwrap())
}

fn site_of(world: &World, below: &str, public: &Path) -> Site {
    let mut command = world.gapferry(&["site", "init", below, "--name", "dc1"]);
    for source in world.content.allows() {
        command.arg("--allow-unsigned").arg(source.as_str());
    }
    command.arg("--builder");
    command.arg(public);
    for (source, keyring) in world.content.pins(&world.path("upstream")) {
        command.arg("--keyring").arg(format!("{source}={}", keyring.display()));
    }
    run(&mut command);
    open_site(&world.path(below))
}

each_content!(keys_made_by_ssh_keygen_sign_bundles);
fn keys_made_by_ssh_keygen_sign_bundles(content: Arc<dyn Content>) {
    let world = World::new(content, "64 KiB");
    for (name, passphrase) in [("plain", ""), ("locked", "correct horse: battery")] {
        let bundle = export(&world, &stock_key(&world, name, passphrase));
        let public = world.path("online").join(format!("{name}.pub"));
        run(world.gapferry(&["verify", "--builder"]).arg(&public).arg(&bundle));
        bring(&site_of(&world, &format!("site-{name}"), &public), &bundle).unwrap();
    }
}

each_content!(a_signing_room_needs_ssh_keygen_alone);
fn a_signing_room_needs_ssh_keygen_alone(content: Arc<dyn Content>) {
    let world = World::new(content, "64 KiB");
    let bundle = export(&world, &["--unsigned".to_owned()]);
    assert!(!bundle.join("manifest.json.sig").exists());
    let refusal = output(world.gapferry(&["verify", "--builder", "online/builder.key.pub"]).arg(&bundle));
    assert_eq!(refusal.status.code(), Some(4));
    stock_key(&world, "room", "");
    let key = world.path("online/room");
    let packing = manifest_of(&bundle).packing().folder.join("packing.json");
    for (namespace, file) in [("gapferry-manifest", bundle.join("manifest.json")), ("gapferry-packing", packing)] {
        let mut sign = Command::new("ssh-keygen");
        run(sign.args(["-Y", "sign", "-n", namespace, "-f"]).arg(&key).arg(file));
    }
    bring(&site_of(&world, "site", &key.with_extension("pub")), &bundle).unwrap();
    world.content.check(&world.path("site/current"));
}

#[test]
fn ssh_keygen_reads_our_keys() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = folder.path().join("passphrase");
    fs::write(&passphrase, "correct horse").unwrap();
    for (name, words) in [("plain", ""), ("locked", "correct horse")] {
        let key = folder.path().join(name);
        let mut keygen = Command::new(crate::support::world::gapferry());
        keygen.arg("keygen").arg(&key);
        if !words.is_empty() {
            keygen.arg("--passphrase-file").arg(&passphrase);
        }
        let said = run(&mut keygen);
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let derived = run(Command::new("ssh-keygen").args(["-y", "-P", words, "-f"]).arg(&key));
        let first_two = |line: &str| line.split(' ').take(2).map(|w| w.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(first_two(&derived), first_two(&public));
        let listed = run(Command::new("ssh-keygen").arg("-lf").arg(key.with_extension("pub")));
        let fingerprint = listed.split(' ').nth(1).unwrap();
        assert!(said.contains(fingerprint), "{said} {listed}");
        assert_eq!(run(Command::new("ssh-keygen").arg("-lf").arg(&key)).split(' ').nth(1), Some(fingerprint));
    }
}
