//! Bundles checked and unpacked by hand, as their own VERIFY.txt says, and signed by a signing room with ssh-keygen.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use gapferry::bundle::layout::blob_names;
use gapferry::bundle::manifest::Encoding;
use gapferry::digest::Sha256;
use gapferry::site::Site;

use crate::apt_client::{output, run};
use crate::support::snaps::open_site;
use crate::support::snapshot::copy;
use crate::support::world::{Content, World, bring, each_content, manifest_of};

/// A world with a site that has its first bundle, the folder of a copy of the second with the builder's public key in it, and where
/// VERIFY.txt's `/tmp` is.
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
        fs::create_dir(world.path("tmp")).unwrap();
        Self { world }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.world.path("copy").join(name)
    }

    /// The commands under the heading of this number in VERIFY.txt, as they stand there; none where there is no such heading.
    fn commands(&self, number: u32) -> Vec<String> {
        let text = fs::read_to_string(self.file("VERIFY.txt")).unwrap();
        let Some(from) = text.split(&format!("\n{number}. ")).nth(1) else { return Vec::new() };
        let step = from.split(&format!("\n{}. ", number + 1)).next().unwrap();
        step.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
    }

    /// Runs them in the bundle's folder.
    fn follow(&self, number: u32) -> Output {
        let mut commands = self.commands(number);
        assert!(!commands.is_empty());
        if number == UNPACK {
            // The step for patches has its place before the last command of this one.
            commands.splice(commands.len() - 1..commands.len() - 1, self.commands(UNPACK + 1));
        }
        let place = |path: &str| self.world.path(path).display().to_string();
        let script = commands.join("\n").replace("/srv/gapferry", &place("site"));
        let script = script.replace("/tmp/", &format!("{}/", place("tmp")));
        output(Command::new("bash").args(["-e", "-o", "pipefail", "-c", &script]).current_dir(self.world.path("copy")))
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

each_content!(verify_txt_checks_and_unpacks_with_stock_tools_alone);
fn verify_txt_checks_and_unpacks_with_stock_tools_alone(content: Arc<dyn Content>) {
    let long_names = content.long_names();
    let hand = Hand::new(content);
    let manifest = manifest_of(&hand.file(""));
    let parts = || manifest.blobs.iter().flat_map(|blob| &blob.parts);
    assert!(manifest.volumes.len() > 2 && parts().any(|part| part.encoding == Encoding::Zstd));
    assert!(manifest.blobs.iter().any(|b| b.parts.len() > 1 && b.parts[0].encoding == Encoding::Raw));
    let names = blob_names(&manifest.collections);
    assert_eq!(names.values().any(|name| name.len() > 100), long_names);

    assert!(hand.passes(1).contains("Good \"gapferry-manifest\" signature for builder"));
    let words = hand.passes(2);
    assert!(words.lines().all(|line| line.ends_with(": OK")), "{words}");
    assert_eq!(words.lines().count(), manifest.volumes.len() + 1);
    assert_eq!(hand.passes(UNPACK), "");

    let tree = hand.world.path("tmp/tree");
    let files = walkdir::WalkDir::new(&tree).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    let mut found: Vec<(String, Sha256)> = files
        .map(|entry| {
            let name = entry.path().strip_prefix(&tree).unwrap().to_str().unwrap().to_owned();
            (name, Sha256::of(&fs::read(entry.path()).unwrap()))
        })
        .collect();
    found.sort();
    let carried: Vec<Sha256> =
        manifest.blobs.iter().filter(|blob| !blob.parts.is_empty()).map(|blob| blob.sha256).collect();
    let mut expected: Vec<(String, Sha256)> = names.into_iter().map(|(digest, name)| (name, digest)).collect();
    expected.retain(|(_, digest)| carried.contains(digest));
    expected.sort();
    assert_eq!(found, expected);
}

each_content!(stock_tools_notice_what_was_altered);
fn stock_tools_notice_what_was_altered(content: Arc<dyn Content>) {
    let hand = Hand::new(content);
    let (manifest, volume, sums) = (hand.file("manifest.json"), hand.file("volume-002.tar"), hand.file("SHA256SUMS"));
    let fails = |step: u32, what: &str| assert!(!hand.follow(step).status.success(), "step {step} passes {what}");

    for offset in [0, 100, fs::metadata(&manifest).unwrap().len() - 2] {
        flip(&manifest, offset);
        fails(1, "an altered manifest");
        fails(2, "an altered manifest");
        flip(&manifest, offset);
    }
    flip(&volume, 5000);
    fails(2, "an altered volume");
    // Even if whoever did that wrote new sums.
    let digest = Sha256::of(&fs::read(&volume).unwrap());
    let right = fs::read_to_string(&sums).unwrap();
    let is_other = |line: &&str| !line.ends_with("volume-002.tar");
    let others: String = right.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    fs::write(&sums, format!("{others}{digest}  volume-002.tar\n")).unwrap();
    fails(2, "new sums for an altered volume");
    fs::write(&sums, &others).unwrap();
    fails(2, "sums without the altered volume");
    flip(&volume, 5000);
    fs::write(&sums, right).unwrap();
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
    let mut sign = Command::new("ssh-keygen");
    run(sign.args(["-Y", "sign", "-n", "gapferry-manifest", "-f"]).arg(&key).arg(bundle.join("manifest.json")));
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
