//! Both sides, through the real program: what it says, with which exit code, and what the site publishes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gapferry::cli::Exit::{Usage, VerificationFailed, VolumesMissing};
use gapferry::digest::Sha256;
use gapferry::upstream::Upstream;

use super::{digests, invert};
use crate::support::desk::{Desk, end, heavy, wait_for};
use crate::support::read_bundle::packing_folder;
use crate::support::skip::{Needs, skip};

/// A desk with a bundle of four volumes or so, and a site.
struct Story {
    desk: Desk,
    bundle: PathBuf,
}

impl Story {
    fn new(recovery: &str) -> Self {
        let desk = Desk::new();
        let mut upstream = Upstream::new("Up", &["amd64"]);
        for number in 0..8 {
            upstream.add("stable", "main", heavy(&format!("package-{number}"), "1.0-1", 100_000));
        }
        desk.archive("up", &mut upstream, &["stable"]);
        desk.select(&desk.table("up", &desk.url("up"), "stable main amd64", ""));
        let path = desk.path("online/selection.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("volume-size = \"100 MB\"", &format!("volume-size = \"250 kB\"\n{recovery}")))
            .unwrap();
        desk.init(&["up"], "");
        let bundle = desk.bundle();
        Self { desk, bundle }
    }

    fn verify(&self, more: &str) -> crate::support::desk::Ended {
        self.desk.run(&format!("verify {} --builder online/builder.key.pub {more}", self.bundle.display()))
    }

    /// What the site `name` publishes, but for what bears its signature.
    fn published(&self, name: &str) -> BTreeMap<String, Sha256> {
        let root = self.desk.path(name).join("current/apt/up");
        let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.unwrap().into_path());
        let is_undated = |path: &Path| path.ends_with("Packages") || path.extension().is_some_and(|end| end == "deb");
        let name = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let files = files.filter(|path| is_undated(path));
        files.map(|path| (name(&path), Sha256::of(&fs::read(&path).unwrap()))).collect()
    }

    /// What an undamaged bundle has a site publish.
    fn as_it_should_be(&self) -> BTreeMap<String, Sha256> {
        self.desk.run("site init good --name dc1 --builder online/builder.key.pub --keyring up=keyring.gpg").ok();
        self.desk.run(&format!("import {} --site good", self.bundle.display())).ok();
        self.published("good")
    }

    /// The folder of the only packing.
    fn packing(&self) -> PathBuf {
        packing_folder(&self.bundle)
    }

    /// The packing's ID.
    fn id(&self) -> String {
        self.packing().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// A file of the packing, as results name it.
    fn named(&self, file: &str) -> String {
        format!("packings/{}/{file}", self.id())
    }

    fn damage(&self, file: &str, from: u64, length: u64) {
        invert(&self.packing().join(file), from, length);
    }
}

#[test]
fn a_damaged_bundle_is_repaired_on_the_way_in() {
    let story = Story::new("recovery = \"10 %\"");
    let good = story.as_it_should_be();
    story.verify("").ok();
    story.damage("volume-002.tar", 50_000, 9_000);
    let before = digests(&story.packing());
    let said = story
        .verify("")
        .says(VerificationFailed, &["volume-002.tar bytes 49152 to 61440", "recovery data repair all of it"]);
    assert!(said.out.is_empty(), "{said:?}");
    let json = story.verify("--json").json();
    assert_eq!(json["repairable"], true);
    assert_eq!(
        json["damaged"],
        serde_json::json!([{ "volume": story.named("volume-002.tar"), "from": 49152, "to": 61440 }])
    );
    let dry = story.desk.run(&format!("import {} --site site --dry-run", story.bundle.display())).ok();
    assert!(dry.err.contains("recovery data have repaired it"), "{dry:?}");

    let imported = story.desk.run(&format!("import {} --site site --json", story.bundle.display())).ok();
    assert!(
        imported.err.contains("the medium is damaged") && imported.err.contains("replace the medium"),
        "{imported:?}"
    );
    assert_eq!(imported.json()["repaired"][0]["volume"], story.named("volume-002.tar"));
    assert_eq!(story.published("site"), good);
    assert_eq!(digests(&story.packing()), before, "the medium is as it was");
    let audit = fs::read_to_string(story.desk.path("site/audit.jsonl")).unwrap();
    assert!(audit.contains("\"event\":\"repair\"") && audit.contains("volume-002.tar bytes 49152 to 61440"), "{audit}");
    assert!(fs::read_dir(story.desk.path("site/refused")).unwrap().next().is_none());
}

#[test]
fn beyond_repair_the_volumes_are_named_and_made_again() {
    let story = Story::new("recovery = \"5 %\"");
    let good = story.as_it_should_be();
    story.damage("volume-002.tar", 50_000, 90_000);
    story.damage("volume-003.tar", 10_000, 90_000);
    let lost = format!("--packing {} --volumes 2,3", story.id());
    let recut = format!("gapferry recut dc1-base-000001 {lost} --out .");
    let words = ["is damaged or was altered", "do not suffice", &recut];
    story.verify("").says(VerificationFailed, &words);
    let json = story.verify("--json").json();
    assert_eq!(
        (&json["repairable"], &json["damaged"][0]["volume"]),
        (&false.into(), &story.named("volume-002.tar").into())
    );
    story.desk.import(&story.bundle).says(VerificationFailed, &words);
    assert!(!story.desk.path("site/current/apt/up").exists(), "nothing is published");
    let recut = format!("recut {} {lost} --out medium --workspace online/workspace", story.bundle.display());
    story.desk.run(&recut).ok();
    story.verify("").ok();
    story.desk.import(&story.bundle).ok();
    assert_eq!(story.published("site"), good);
}

#[test]
fn protect_makes_a_finished_bundle_survive_a_lost_volume() {
    let story = Story::new("");
    let good = story.as_it_should_be();
    let bundle = story.bundle.display();
    story.desk.run(&format!("protect {bundle}")).says(Usage, &["--recovery"]);
    story.desk.run(&format!("protect {bundle} --recovery 99%")).says(Usage, &["at most \"50 %\""]);
    story.damage("volume-001.tar", 3_000, 1);
    story.desk.run(&format!("protect {bundle} --recovery 9%")).says(VerificationFailed, &["volume-001.tar is damaged"]);
    story.damage("volume-001.tar", 3_000, 1);
    let made = story.desk.run(&format!("protect {bundle} --recovery 9% --spare-volumes 1 --json")).ok().json();
    assert_eq!(made["files"].as_array().unwrap().last().unwrap(), &story.named("spare-001.rec"));
    assert_eq!(made["files"].as_array().unwrap().len(), 5);
    let sums =
        end(Command::new("sha256sum").args(["--strict", "-c", "--quiet", "SHA256SUMS"]).current_dir(&story.bundle));
    assert_eq!(sums.code, 0, "{sums:?}");

    fs::remove_file(story.packing().join("volume-003.tar")).unwrap();
    let json = story.verify("--json").json();
    assert_eq!(
        (&json["repairable"], &json["damaged"][0]["volume"]),
        (&true.into(), &story.named("volume-003.tar").into())
    );
    story.desk.import(&story.bundle).ok();
    assert_eq!(story.published("site"), good);

    // And without the spare it is as ever.
    fs::remove_file(story.packing().join("spare-001.rec")).unwrap();
    story.verify("").says(VolumesMissing, &["volume-003.tar"]);
}

#[test]
fn a_stream_has_no_recovery_data() {
    let story = Story::new("recovery = \"5 %\"\nspare-volumes = 1");
    assert!(story.packing().join("spare-001.rec").exists());
    let export = "export online/selection.toml --to - --key online/builder.key --workspace online/other";
    let mut command = story.desk.command(export);
    let output = command.output().unwrap();
    assert!(output.status.success());
    let list = Command::new("tar").arg("-tf").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut list: Child = list.unwrap();
    std::io::Write::write_all(&mut list.stdin.take().unwrap(), &output.stdout).unwrap();
    let list = String::from_utf8(list.wait_with_output().unwrap().stdout).unwrap();
    assert!(list.contains("volume-001.tar") && !list.contains(".rec"), "{list}");
}

/// A file whose sectors between two places cannot be read, mounted over the file itself.
struct BadSectors {
    over: PathBuf,
    child: Child,
}

impl BadSectors {
    fn new(file: &Path, copy: &Path, from: u64, to: u64) -> Option<Self> {
        fs::copy(file, copy).unwrap();
        let size = format!("get_size=stat -c %s {}", copy.display());
        let pread = format!(
            "pread=if [ $4 -lt {to} ] && [ $(( $4 + $3 )) -gt {from} ]; then echo 'EIO bad sector' >&2; exit 1; fi; \
             dd if={} skip=$4 count=$3 iflag=skip_bytes,count_bytes status=none",
            copy.display()
        );
        if !Path::new("/dev/fuse").exists() {
            skip(Needs::Fuse, "bad sectors: there is no /dev/fuse");
            return None;
        }
        let mut command = Command::new("nbdfuse");
        command.arg("-r").arg(file).args(["[", "nbdkit", "--exit-with-parent", "eval", &size, &pread, "]"]);
        let child = command.stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|e| panic!("nbdfuse: {e}; tests/run installs what the tests need"));
        let mounted = Self { over: file.to_owned(), child };
        let mounts = || fs::read_to_string("/proc/self/mounts").unwrap();
        wait_for(|| "nbdfuse does not mount".to_owned(), || mounts().contains(file.to_str().unwrap()).then_some(()));
        Some(mounted)
    }
}

impl Drop for BadSectors {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3").arg("-u").arg(&self.over).status();
        let _ = self.child.wait();
    }
}

#[test]
fn sectors_that_cannot_be_read_are_damage() {
    let story = Story::new("recovery = \"10 %\"");
    let good = story.as_it_should_be();
    let (volume, copy) = (story.packing().join("volume-001.tar"), story.desk.path("copy"));
    let Some(bad) = BadSectors::new(&volume, &copy, 100_000, 104_000) else { return };
    let json = story.verify("--json").json();
    assert_eq!(json["repairable"], true, "{json}");
    story.desk.import(&story.bundle).ok();
    assert_eq!(story.published("site"), good);
    drop(bad);

    fs::remove_file(story.packing().join("volume-001.rec")).unwrap();
    let Some(bad) = BadSectors::new(&volume, &copy, 100_000, 104_000) else { return };
    story.verify("").says(VerificationFailed, &["cannot read", "--volumes 1 --out ."]);
    drop(bad);
    story.verify("").ok();
}
