//! Stories of patches: of a new revision only the difference travels, what is published is the same as after a bundle of
//! everything, and where the old revision is not what it was, the site asks for the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::bundle::packing::index::PartLine;
use gapferry::bundle::packing::index::{Encoding, Slice};
use gapferry::cli::Exit;
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::trust::SecretKey;
use gapferry::upstream::{DebSpec, Payload, SampleCompression, Upstream};

use crate::by_hand::verify_commands;
use crate::support::desk::{Desk, Ended, end};
use crate::support::read_bundle::{ReadBundle, ReadPacking, read_bundle};
use crate::support::snapshot::copy;

/// Bytes in the package that changes a little with each state.
const BIG: u64 = 600_000;

struct Story {
    desk: Desk,
}

impl Story {
    /// A site after its first bundle, which the online side knows to have arrived.
    fn new(volume_size: &str, more: &str) -> Self {
        let story = Self { desk: Desk::new() };
        story.upstream(1);
        story.desk.select(&story.desk.table("up", &story.desk.url("up"), "stable main amd64", ""));
        let path = story.desk.path("online/selection.toml");
        let text = fs::read_to_string(&path).unwrap();
        let sizes = format!("volume-size = \"{volume_size}\"\n{more}");
        fs::write(&path, text.replace("volume-size = \"100 MB\"", &sizes)).unwrap();
        story.desk.init(&["up"], "");
        let first = story.export("");
        assert_eq!(story.manifest(&first).patches().count(), 0);
        story.import(&first).ok();
        story.confirm(&first);
        story
    }

    /// In each state 100 bytes of a big package differ, which is stored plainly, and a few lines of the index.
    fn upstream(&self, state: u32) {
        let mut upstream = Upstream::new("Up", &["amd64"]);
        upstream.indexes = BTreeSet::from([SampleCompression::Plain]);
        let mut bytes = noise(BIG, 1);
        let at = 100_000 * state as usize;
        bytes.splice(at..at + 50, noise(100, u64::from(state)));
        let version = format!("{state}.0-1");
        let big =
            DebSpec { payload: Payload::Bytes(bytes), packing: SampleCompression::Plain, ..spec("big", &version) };
        upstream.add("stable", "main", big);
        for package in 0..40 {
            let words: String = noise(4000, 100 + package).iter().map(|byte| format!("{byte:02x}")).collect();
            let extra = vec![("Demo".to_owned(), words)];
            upstream.add("stable", "main", DebSpec { extra, ..spec(&format!("p{package}"), "1.0-1") });
        }
        self.desk.archive("up", &mut upstream, &["stable"]);
    }

    fn export(&self, more: &str) -> String {
        let value = self.desk.export(&format!("--json {more}")).ok().json();
        value["name"].as_str().unwrap().to_owned()
    }

    /// The bundle of the next state; it has patches.
    fn patched(&self, state: u32) -> String {
        self.upstream(state);
        let bundle = self.export("");
        assert!(self.manifest(&bundle).patches().count() > 0);
        bundle
    }

    fn import(&self, bundle: &str) -> Ended {
        self.desk.run(&format!("import medium/{bundle} --site site"))
    }

    fn confirm(&self, bundle: &str) {
        self.desk.run(&format!("confirm {bundle} --workspace online/workspace")).ok();
    }

    fn folder(&self, bundle: &str) -> PathBuf {
        self.desk.path("medium").join(bundle)
    }

    fn manifest(&self, bundle: &str) -> ReadBundle {
        read_bundle(&self.folder(bundle))
    }

    /// Bytes of a bundle's volumes.
    fn size(&self, bundle: &str) -> u64 {
        self.manifest(bundle).volume_bytes()
    }

    /// Fails unless the site publishes what the workspace has of this bundle, byte for byte.
    #[track_caller]
    fn publishes(&self, bundle: &str) {
        let depot = Depot::open(&self.desk.path("online/workspace/depot")).unwrap();
        let manifest = self.manifest(bundle);
        for (path, digest) in &manifest.collections[0].files {
            let published = self.desk.path("site/current/apt/up").join(path.as_str());
            assert_eq!(fs::read(published).unwrap(), depot.read(digest, 1 << 30).unwrap(), "{path}");
        }
        for blob in manifest.blobs.iter() {
            assert_eq!(Sha256::of(&fs::read(self.held(&blob.sha256)).unwrap()), blob.sha256);
        }
    }

    /// Where the site has a blob.
    fn held(&self, digest: &Sha256) -> PathBuf {
        Depot::open(&self.desk.path("site/depot")).unwrap().place(digest)
    }

    /// What the first patch of a bundle builds on.
    fn base(&self, bundle: &str) -> Sha256 {
        let manifest = self.manifest(bundle);
        let is_big = |part: &&PartLine| manifest.blobs.get(&part.blob).unwrap().size > BIG;
        manifest.patches().find(is_big).unwrap().base.as_ref().unwrap().sha256
    }

    /// Has what the site asks for made and imports it.
    fn answer(&self, bundle: &str) {
        let recut = format!(
            "recut medium/{bundle} --request site/requests/{bundle}.txt --site-key site/current/keys/site.asc \
             --out medium --key online/builder.key --workspace online/workspace --json"
        );
        let value = self.desk.run(&recut).ok().json();
        let (name, id) = (value["name"].as_str().unwrap(), value["packing"].as_str().unwrap());
        assert_eq!(name, bundle);
        let manifest = self.manifest(name);
        assert_eq!(manifest.packings.len(), 2);
        let answer = manifest.packings.iter().find(|packing| packing.folder.ends_with(id)).unwrap();
        assert!(answer.parts.iter().flatten().all(|part| part.base.is_none()));
        self.import(name).ok();
        self.publishes(name);
    }
}

fn spec(name: &str, version: &str) -> DebSpec {
    DebSpec::new(name, version, "amd64")
}

fn noise(size: u64, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Payload::Pseudorandom { size, seed }.reader().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn only_the_difference_travels() {
    for (volume_size, parts) in [("100 MB", 2), ("200 kB", 10)] {
        let story = Story::new(volume_size, "");
        for state in 2..=3 {
            let bundle = story.patched(state);
            let manifest = story.manifest(&bundle);
            assert!(manifest.patches().count() >= parts, "{}", manifest.patches().count());
            // Both the package and the index that lists it.
            let patched: BTreeSet<Sha256> = manifest.patches().map(|part| part.blob).collect();
            assert_eq!(patched.len(), 2);
            assert!(manifest.carried_bytes() > BIG && story.size(&bundle) < BIG / 5, "{}", story.size(&bundle));
            story.desk.run(&format!("verify medium/{bundle} --builder online/builder.key.pub")).ok();
            story.import(&bundle).ok();
            story.publishes(&bundle);
            story.desk.run("receipt --site site --out medium/r.txt").ok();
            let told =
                "confirm --receipt medium/r.txt --site-key site/current/keys/site.asc --workspace online/workspace";
            story.desk.run(told).ok();
        }
        story.upstream(4);
        let full = story.export("--full");
        assert!(story.manifest(&full).patches().count() == 0 && story.size(&full) > BIG);
        story.import(&full).ok();
        story.publishes(&full);
    }
}

#[test]
fn a_selection_can_do_without() {
    let story = Story::new("100 MB", "patches = false");
    story.upstream(2);
    let bundle = story.export("");
    assert!(story.manifest(&bundle).patches().count() == 0 && story.size(&bundle) > BIG);
}

#[test]
fn the_same_patches_are_made_each_time_and_again() {
    let story = Story::new("200 kB", "");
    copy(&story.desk.path("online/workspace"), &story.desk.path("online/other"));
    let bundle = story.patched(2);
    let time = story.manifest(&bundle).created.unix().to_string();
    let other = "export online/selection.toml --out elsewhere --key online/builder.key --workspace online/other";
    end(story.desk.command(other).env("SOURCE_DATE_EPOCH", time)).ok();
    let volumes = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let files = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
        let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        files.filter(|path| path.extension().is_some_and(|end| end == "tar")).map(named).collect()
    };
    let made = volumes(&story.folder(&bundle));
    assert!(made == volumes(&story.desk.path("elsewhere").join(&bundle)));
    let recut = format!("recut medium/{bundle} --volumes 1 --out again --workspace online/workspace");
    // What a workspace's gc keeps is enough.
    story.desk.run("gc --workspace online/workspace").ok();
    story.desk.run(&recut).ok();
    let again = volumes(&story.desk.path("again").join(&bundle));
    assert!(again["volume-001.tar"] == made["volume-001.tar"]);
    let workspace = Depot::open(&story.desk.path("online/workspace/depot")).unwrap();
    for base in story.manifest(&bundle).bases() {
        workspace.remove(&base).unwrap();
    }
    let told = story.desk.run(&recut).says(Exit::Failed, &["volume-001.tar", "no longer holds"]);
    // The printed command carries the new blobs whole.
    let command = told.err.split('`').nth(1).unwrap();
    fs::copy(story.desk.path("online/builder.key"), story.desk.path("builder.key")).unwrap();
    story.desk.run(command.strip_prefix("gapferry ").unwrap()).ok();
    story.desk.run(&format!("import again/{bundle} --site site")).ok();
    story.publishes(&bundle);
}

#[test]
fn a_base_that_is_gone_or_rotten_is_asked_around() {
    let gone = |path: &Path| fs::remove_file(path).unwrap();
    let shorter = |path: &Path| rot(path, |bytes| bytes.truncate(1000));
    let altered =
        |path: &Path| rot(path, |bytes| bytes.iter_mut().skip(1000).step_by(5000).for_each(|byte| *byte ^= 1));
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 4] = [("100 MB", gone), ("200 kB", shorter), ("100 MB", altered), ("200 kB", altered)];
    for (volume_size, damage) in cases {
        let story = Story::new(volume_size, "");
        let bundle = story.patched(2);
        damage(&story.held(&story.base(&bundle)));
        story.import(&bundle).says(Exit::VolumesMissing, &["1 blobs that are not here", "gapferry recut", &bundle]);
        // Once more, with the notes of the first try.
        story.import(&bundle).says(Exit::VolumesMissing, &["1 blobs that are not here"]);
        story.answer(&bundle);
    }
}

fn rot(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn lies_about_patches_are_refused() {
    type Lie = fn(&mut ReadPacking, Sha256);
    const OUT_OF_RANGE: &str = "the base of a patch is out of range";
    let lies: [(&str, Lie, &str); 9] = [
        ("another base", |packing, other| change(packing, |base| base.sha256 = other), "built wrongly"),
        ("another slice", |packing, _| change(packing, |base| base.start += 1), "beyond"),
        ("a slice that is elsewhere", |packing, _| change(packing, |base| base.length -= 9000), "built wrongly"),
        ("a slice beyond the end", |packing, _| change(packing, |base| base.start = 1 << 40), "beyond"),
        ("a slice of nothing", |packing, _| change(packing, |base| base.length = 0), OUT_OF_RANGE),
        ("too large a slice", |packing, _| change(packing, |base| base.length = (32 << 20) + 1), OUT_OF_RANGE),
        (
            "a start that overflows",
            |packing, _| change(packing, |base| (base.start, base.length) = ((1 << 53) - 1, 1)),
            OUT_OF_RANGE,
        ),
        (
            "itself",
            |packing, _| {
                let patches = packing.parts.iter_mut().flatten().filter(|part| part.base.is_some());
                patches.for_each(|part| part.base.as_mut().unwrap().sha256 = part.blob);
            },
            OUT_OF_RANGE,
        ),
        (
            "a shorter content",
            |packing, _| {
                let patches = packing.parts.iter_mut().flatten().filter(|part| part.base.is_some());
                patches.for_each(|part| part.length -= 1);
            },
            "a member has another name",
        ),
    ];
    let story = Story::new("100 MB", "");
    let bundle = story.patched(2);
    let key = SecretKey::load(&story.desk.path("online/builder.key"), || None).unwrap();
    let honest = story.manifest(&bundle).packing().clone();
    // A blob that the site holds, and that is as large.
    let other = story.desk.path("other");
    fs::write(&other, noise(2 * BIG, 9)).unwrap();
    let depot = Depot::open(&story.desk.path("site/depot")).unwrap();
    let mut batch = depot.batch();
    let other = depot.put(&mut batch, &fs::read(&other).unwrap()).unwrap();
    batch.commit().unwrap();
    for (name, tell, words) in lies {
        let mut packing = honest.clone();
        tell(&mut packing, other);
        packing.resign(&key);
        let ended = story.import(&bundle);
        assert_eq!(ended.code, i32::from(Exit::VerificationFailed.code()), "{name}: {}", ended.err);
        assert!(ended.err.contains(words), "{name}: {}", ended.err);
    }
    for encoding in [Encoding::Raw, Encoding::Zstd] {
        let mut packing = honest.clone();
        let patches = packing.parts.iter_mut().flatten().filter(|part| part.base.is_some());
        patches.for_each(|part| part.encoding = encoding);
        packing.resign(&key);
        story.import(&bundle).says(Exit::VerificationFailed, &["a patch has no base, or another part has one"]);
    }
    honest.resign(&key);
    story.import(&bundle).ok();
    story.publishes(&bundle);
}

/// Changes what every patch builds on.
fn change(packing: &mut ReadPacking, how: impl FnMut(&mut Slice)) {
    packing.parts.iter_mut().flatten().filter_map(|part| part.base.as_mut()).for_each(how);
}

#[test]
fn the_real_zstd_applies_them() {
    let story = Story::new("100 MB", "");
    let bundle = story.patched(2);
    let manifest = story.manifest(&bundle);
    let tmp = story.desk.path("tmp");
    fs::create_dir(&tmp).unwrap();
    let unpack = verify_commands(&story.folder(&bundle), 3).join("\n");
    let script = format!("set -e\nwork=$(mktemp -d)\nmkdir \"$work/tree\"\n{unpack}\necho \"$work\"");
    let mut dash = Command::new("dash");
    dash.args(["-c", &script]).current_dir(story.folder(&bundle));
    let ended = end(dash.env("TMPDIR", &tmp).env("site", story.desk.path("site"))).ok();
    let tree = PathBuf::from(ended.out.trim()).join("tree");
    let mut found: Vec<Sha256> = Vec::new();
    for entry in walkdir::WalkDir::new(tree).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            found.push(Sha256::of(&fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    assert_eq!(found, manifest.carried().into_keys().collect::<Vec<_>>());
}

#[test]
fn a_review_looks_into_packages_that_travel_as_patches() {
    let story = Story::new("100 MB", "");
    story.upstream(2);
    let second = story.export("");
    assert!(story.manifest(&second).patches().count() > 0);
    let report = |more: &str| story.desk.run(&format!("report medium/{second} --contents --out review {more}"));
    report("--against site").ok();
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(story.desk.path("review/report.json")).unwrap()).unwrap();
    let totals = &json["contents"]["totals"];
    assert_eq!((&totals["looked_into"], &totals["not_looked_into"]), (&1.into(), &0.into()), "{totals}");
    // Without the older packages there is nothing that a patch could be applied to.
    report("").says(Exit::VolumesMissing, &["volumes are missing"]);
}
