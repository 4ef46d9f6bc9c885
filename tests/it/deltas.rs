//! Stories of deltas: what travels is what the site lacks, however that is known, and what is published is the same as after a
//! bundle of everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, Payload, Upstream};
use serde_json::Value;

use crate::support::desk::{Desk, Ended, at_clock, end};
use crate::support::read_bundle::packing_folder;

/// How many packages there are, and the bytes in each.
const PACKAGES: u32 = 8;
const PAYLOAD: u64 = 40_000;

/// An upstream of which each state has one package changed, one site, and a workspace.
struct Story {
    desk: Desk,
}

impl Story {
    fn new(overlap: &str) -> Self {
        let story = Self { desk: Desk::new() };
        story.upstream(1);
        let table = story.desk.table("up", &story.desk.url("up"), "stable main amd64", "");
        story.desk.select(&table);
        let path = story.desk.path("online/selection.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("volume-size = \"100 MB\"", &format!("volume-size = \"150 kB\"\n{overlap}")))
            .unwrap();
        story.desk.init(&["up"], "");
        story
    }

    /// Puts the upstream into state `number`: each state has a new version of one package, one after the other.
    fn upstream(&self, number: u32) {
        let mut upstream = Upstream::new("Up", &["amd64"]);
        for package in 1..=PACKAGES {
            // The last state up to this one whose turn it was.
            let version = (1..=number).rev().find(|state| (state - 1) % PACKAGES + 1 == package).unwrap_or(1);
            let seed = u64::from(package * 100 + version);
            upstream.add(
                "stable",
                "main",
                DebSpec {
                    payload: Payload::Pseudorandom { size: PAYLOAD, seed },
                    ..DebSpec::new(&format!("p{package}"), &format!("{version}.0-1"), "amd64")
                },
            );
        }
        self.desk.archive("up", &mut upstream, &["stable"]);
    }

    /// The next bundle of state `number`: its folder's name, and bytes that it carries, of how many.
    fn export(&self, number: u32, more: &str) -> (String, u64, u64) {
        self.upstream(number);
        let value = self.desk.export(&format!("--json {more}")).ok().json();
        let number = |key: &str| value["carried"][key].as_u64().unwrap();
        (value["name"].as_str().unwrap().to_owned(), number("bytes"), number("of"))
    }

    fn import(&self, bundle: &str, site: &str) -> Ended {
        self.desk.run(&format!("import medium/{bundle} --site {site}"))
    }

    /// Fails unless the site publishes what a bundle of everything would have it publish.
    #[track_caller]
    fn same_as_full(&self, carried: (u64, u64)) {
        let full =
            "export online/selection.toml --out elsewhere --key online/builder.key --workspace online/other --json";
        let bundle = self.desk.run(full).ok().json()["bundle"].as_str().unwrap().to_owned();
        self.init("full");
        self.desk.run(&format!("import {bundle} --site full")).ok();
        assert_eq!(self.published("site"), self.published("full"));
        for folder in ["full", "elsewhere", "online/other"] {
            fs::remove_dir_all(self.desk.path(folder)).unwrap();
        }
        println!("the delta carries {} of {} bytes", carried.0, carried.1);
        assert!(carried.0 * 2 < carried.1, "{carried:?} is no delta");
    }

    fn init(&self, site: &str) {
        end(&mut self.init_command(site)).ok();
    }

    fn init_command(&self, site: &str) -> Command {
        let key = "--builder online/builder.key.pub --keyring up=keyring.gpg";
        self.desk.command(&format!("site init {site} --name dc1 {key}"))
    }

    /// Makes the site anew with a key of two days ago, so that its clock can be set back.
    fn old_site(&self) {
        fs::remove_dir_all(self.desk.path("site")).unwrap();
        end(&mut at_clock(&self.init_command("site"), "-2d")).ok();
    }

    /// A receipt from the site while its clock shows something else, in `medium/FILE`.
    fn receipt_at(&self, clock: &str, file: &str) {
        let receipt = self.desk.command(&format!("receipt --site site --out medium/{file}"));
        end(&mut at_clock(&receipt, clock)).ok();
    }

    /// Tells the workspace a receipt that is in `medium/FILE`.
    fn hear(&self, file: &str) -> Ended {
        self.confirm(&format!("--receipt medium/{file} --site-key site/current/keys/site.asc"))
    }

    /// Packages, and indexes, which have no date, with their digests.
    fn published(&self, site: &str) -> BTreeMap<String, Sha256> {
        let root = self.desk.path(site).join("current/apt/up");
        let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.unwrap().into_path());
        let is_undated = |path: &Path| path.ends_with("Packages") || path.extension().is_some_and(|end| end == "deb");
        let files = files.filter(|path| is_undated(path));
        let named = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let files: BTreeMap<_, _> = files.map(|path| (named(&path), Sha256::of(&fs::read(&path).unwrap()))).collect();
        assert_eq!(files.len(), PACKAGES as usize + 1, "{files:?}");
        files
    }

    /// A receipt from the site, told to the workspace.
    fn receipt(&self) -> Ended {
        self.desk.run("receipt --site site --out medium/r.txt").ok();
        self.confirm("--receipt medium/r.txt --site-key site/current/keys/site.asc")
    }

    fn confirm(&self, what: &str) -> Ended {
        self.desk.run(&format!("confirm {what} --workspace online/workspace"))
    }
}

#[test]
fn three_updates_with_receipts() {
    let story = Story::new("");
    let (first, bytes, of) = story.export(1, "");
    assert_eq!(bytes, of, "the first one carries everything");
    story.import(&first, "site").ok();
    for state in 2..=4 {
        story.receipt().ok();
        let (bundle, bytes, of) = story.export(state, "");
        story.import(&bundle, "site").ok();
        story.same_as_full((bytes, of));
    }
    let (_, bytes, of) = story.export(5, "--full");
    assert_eq!(bytes, of);
}

#[test]
fn receipts_of_one_instant_count_in_the_order_of_their_making() {
    let story = Story::new("");
    let instant = format!("@{}", Time::now().unix());
    for state in 1..=3 {
        let (bundle, bytes, of) = story.export(state, "");
        assert_eq!(bytes == of, state == 1, "{bytes} of {of} for state {state}");
        story.import(&bundle, "site").ok();
        let file = format!("{state}.txt");
        story.receipt_at(&instant, &file);
        story.hear(&file).ok();
    }
    let made = |file: &str| {
        let text = fs::read_to_string(story.desk.path("medium").join(file)).unwrap();
        text.lines().find(|line| line.starts_with("Made: ")).unwrap().to_owned()
    };
    assert_eq!([made("1.txt"), made("2.txt")], [made("3.txt"), made("3.txt")], "the clock stood still");
    for replayed in ["1.txt", "2.txt", "3.txt"] {
        story.hear(replayed).says(Exit::NothingNew, &["dc1-base-000003 is known to have arrived"]);
    }
}

#[test]
fn receipts_count_whatever_the_clocks_of_both_sides_show() {
    let story = Story::new("");
    story.old_site();
    let (first, ..) = story.export(1, "");
    story.import(&first, "site").ok();
    story.receipt_at("+0s", "first.txt");
    story.hear("first.txt").ok();
    // The site's clock is set back.
    let (second, ..) = story.export(2, "");
    story.import(&second, "site").ok();
    story.receipt_at("-1d", "second.txt");
    story.hear("second.txt").ok();
    // An operator's word, by the online side's clock, is not newer than what the site says by its own.
    let (third, ..) = story.export(3, "");
    story.import(&third, "site").ok();
    story.confirm(&third).ok();
    let (fourth, ..) = story.export(4, "");
    story.import(&fourth, "site").ok();
    story.receipt_at("-1d", "fourth.txt");
    story.hear("fourth.txt").ok();
    story.confirm(&fourth).says(Exit::NothingNew, &[&fourth]);
    story.hear("second.txt").says(Exit::NothingNew, &[&fourth]);
    let (fifth, bytes, of) = story.export(5, "");
    story.import(&fifth, "site").ok();
    story.same_as_full((bytes, of));
}

#[test]
fn the_newest_word_of_a_restored_site_counts() {
    let story = Story::new("");
    story.old_site();
    let (first, ..) = story.export(1, "");
    story.import(&first, "site").ok();
    let folders = |command: &str| {
        end(Command::new("sh").args(["-ec", command]).current_dir(story.desk.path(""))).ok();
    };
    folders("cp -a site backup");
    let lose = |state| {
        let (lost, ..) = story.export(state, "");
        story.import(&lost, "site").ok();
        story.receipt().ok();
        folders("rm -r site; cp -a backup site");
        lost
    };
    lose(2);
    story.receipt_at("+0s", "restored.txt");
    let heard = story.hear("restored.txt").ok();
    assert!(heard.out.contains("dc1 has dc1-base-000001"), "{}", heard.out);
    // The same, but the clock is behind all that the site said before: nobody can know which word is the newer one.
    let lost = lose(3);
    story.receipt_at("-1d", "behind.txt");
    let refused = story.hear("behind.txt").says(Exit::NothingNew, &[&lost, "restored from a backup"]);
    let again = refused
        .err
        .rsplit_once("gapferry confirm")
        .map(|(_, rest)| format!("confirm {}", rest.trim().trim_end_matches('`')))
        .unwrap();
    story.desk.run(&again).ok();
    let log = fs::read_to_string(story.desk.path("online/workspace/audit.jsonl")).unwrap();
    assert!(log.lines().last().unwrap().contains("receipt --allow-older-receipt"), "{log}");
    let (fourth, bytes, of) = story.export(4, "");
    story.import(&fourth, "site").ok();
    story.same_as_full((bytes, of));
    // From here the site's words count again, whatever the clock shows.
    story.receipt_at("-1d", "after.txt");
    story.hear("after.txt").ok();
    fs::write(story.desk.path("site/receipt-number"), "many\n").unwrap();
    story.desk.run("receipt --site site").says(Exit::Failed, &["site/receipt-number", "remove it"]);
    fs::remove_file(story.desk.path("site/receipt-number")).unwrap();
    story.receipt().ok();
}

#[test]
fn three_updates_with_confirmations() {
    let story = Story::new("");
    let (mut last, ..) = story.export(1, "");
    story.import(&last, "site").ok();
    for state in 2..=4 {
        story.confirm(&last).ok();
        let (bundle, bytes, of) = story.export(state, "");
        story.import(&bundle, "site").ok();
        story.same_as_full((bytes, of));
        last = bundle;
    }
    // MaasReply twice, or of one that was never made.
    story.confirm(&last).ok();
    story.confirm(&last).says(Exit::NothingNew, &["nothing new", &last]);
    story.confirm("dc1-base-000001").says(Exit::NothingNew, &[&last]);
    story.confirm("dc1-base-000009").says(Exit::Usage, &["dc1-base-000009", "--workspace"]);
    story.confirm("../../etc-1").says(Exit::Usage, &[]);
}

#[test]
fn three_updates_with_neither() {
    let story = Story::new("overlap = 1");
    let mut carried = Vec::new();
    for state in 1..=5 {
        let (bundle, bytes, of) = story.export(state, "");
        story.import(&bundle, "site").ok();
        carried.push((bytes, of));
    }
    // Nothing lies far enough back for the first two.
    assert!(carried[..2].iter().all(|(bytes, of)| bytes == of), "{carried:?}");
    story.same_as_full(carried[4]);
    // One that is lost is made up for by the next, two in a row are not.
    let (_, first_lost, _) = story.export(6, "");
    let (second, ..) = story.export(7, "");
    story.import(&second, "site").ok();
    assert!(first_lost > 0);
    story.export(8, "");
    story.export(9, "");
    let (late, ..) = story.export(10, "");
    story.import(&late, "site").says(Exit::VolumesMissing, &["requests/", "gapferry recut"]);
}

#[test]
fn a_lost_second_stick_costs_a_run_and_no_full_export() {
    let story = Story::new("");
    let (first, ..) = story.export(1, "");
    story.import(&first, "site").ok();
    story.receipt().ok();
    let (lost, ..) = story.export(2, "");
    fs::remove_dir_all(story.desk.path(&format!("medium/{lost}"))).unwrap();
    let (third, bytes, of) = story.export(3, "");
    story.import(&third, "site").ok();
    story.same_as_full((bytes, of));
}

#[test]
fn sticks_out_of_order_do_no_harm() {
    let story = Story::new("");
    let (first, ..) = story.export(1, "");
    story.import(&first, "site").ok();
    story.confirm(&first).ok();
    let (second, ..) = story.export(2, "");
    let (third, bytes, of) = story.export(3, "");
    story.import(&third, "site").ok();
    story.import(&second, "site").says(Exit::Refused, &[]);
    story.same_as_full((bytes, of));
}

#[test]
fn a_delta_that_comes_too_early_names_the_bundles_to_import_first() {
    let story = Story::new("");
    let (first, ..) = story.export(1, "");
    story.confirm(&first).ok();
    let (second, ..) = story.export(2, "");
    let early = format!("{second} builds on {first}, which is not imported here: import that first");
    story.import(&second, "site").says(Exit::VolumesMissing, &[&early]);
    let status = story.desk.run("status --site site").ok().out;
    assert!(status.contains(&format!("{second} is waiting for {first}: ")), "{status}");
    let receipt = story.desk.run("receipt --site site --name base").ok().out;
    assert!(receipt.contains("Held: "), "{receipt}");
    story.import(&first, "site").ok();
    story.import(&second, "site").ok();
    let status = story.desk.run("status --site site").ok().out;
    assert!(!status.contains("waiting"), "{status}");
    assert_eq!(fs::read_dir(story.desk.path("site/waiting")).unwrap().count(), 0);
}

#[test]
fn what_the_site_has_collected_away_is_asked_for_and_made_again() {
    let story = Story::new("");
    for state in 1..=2 {
        let (bundle, ..) = story.export(state, "");
        story.import(&bundle, "site").ok();
        story.confirm(&bundle).ok();
    }
    let (third, delta, _) = story.export(2, "--force");
    story.desk.run("rollback --site site").ok();
    story.desk.run("gc --site site --keep 1").ok();
    story.import(&third, "site").says(Exit::VolumesMissing, &["blobs that are not here", "gapferry recut", &third]);
    let answered = answer(&story, &third, "");
    assert!(answered > delta && answered < u64::from(PACKAGES) * PAYLOAD / 2, "{answered} of {delta}");
    story.same_as_full((answered, u64::MAX));
}

#[test]
fn a_site_that_is_rebuilt_asks_for_what_it_lacks() {
    let story = Story::new("");
    let (first, ..) = story.export(1, "");
    story.import(&first, "site").ok();
    story.confirm(&first).ok();
    let (second, ..) = story.export(2, "");
    fs::remove_dir_all(story.desk.path("site")).unwrap();
    story.init("site");
    story.import(&second, "site").says(Exit::VolumesMissing, &["gapferry recut"]);
    // gc must not take what was unpacked and is waited with.
    story.desk.run("gc --site site").ok();
    answer(&story, &second, "");
    // A receipt says that all is well again.
    story.receipt().ok();
    let (fourth, bytes, of) = story.export(4, "");
    story.import(&fourth, "site").ok();
    story.same_as_full((bytes, of));
}

/// Makes what the site has asked for and imports it; how many bytes that were.
fn answer(story: &Story, bundle: &str, more: &str) -> u64 {
    let request = format!("site/requests/{bundle}.txt");
    // A stock tool reads it, too. The new site's key is not in a generation yet.
    let key = story.desk.path("site.gpg");
    let export = "--export-options export-minimal --yes --output";
    let home = story.desk.path("gnupg");
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = |arguments: &str| {
        let mut gpg = std::process::Command::new("gpg");
        end(gpg.env("GNUPGHOME", &home).arg("--batch").args(arguments.split(' ')).current_dir(story.desk.path("")))
    };
    gpg("--import site/keys/site.pgp").ok();
    gpg(&format!("{export} {} --export", key.display())).ok();
    end(std::process::Command::new("gpgv").arg("--keyring").arg(&key).arg(story.desk.path(&request))).ok();
    let recut = format!(
        "recut medium/{bundle} --request {request} --site-key site.gpg --out medium --key online/builder.key \
         --workspace online/workspace --json {more}"
    );
    let value: Value = story.desk.run(&recut).ok().json();
    story.import(value["name"].as_str().unwrap(), "site").ok();
    end(std::process::Command::new("gpgconf").env("GNUPGHOME", &home).args(["--kill", "all"])).ok();
    value["bytes"].as_u64().unwrap()
}

#[test]
fn a_receipt_counts_only_from_the_site_and_only_once() {
    let story = Story::new("");
    let (first, ..) = story.export(1, "");
    story.import(&first, "site").ok();
    story.desk.run("receipt --site site --out medium/old.txt").ok();
    story.confirm("--receipt medium/old.txt").says(Exit::Usage, &["--site-key"]);
    let (second, ..) = story.export(2, "");
    story.import(&second, "site").ok();
    story.receipt().ok();
    story.confirm("--receipt medium/old.txt").says(Exit::NothingNew, &[&second]);
    let text = fs::read_to_string(story.desk.path("medium/r.txt")).unwrap();
    fs::write(story.desk.path("medium/forged.txt"), text.replace("Published: 2", "Published: 1")).unwrap();
    story.confirm("--receipt medium/forged.txt").says(Exit::Usage, &["not signed by any site"]);
    story.init("other");
    let (first, ..) = story.export(3, "--full");
    story.desk.run(&format!("import medium/{first} --site other")).ok();
    story.desk.run("receipt --site other --out medium/other.txt").ok();
    let other = "--receipt medium/other.txt --site-key other/current/keys/site.asc";
    story.confirm(other).says(Exit::Refused, &["another key"]);
}

#[test]
fn a_volume_is_made_again_byte_for_byte() {
    let story = Story::new("");
    let (bundle, ..) = story.export(1, "");
    let folder = story.desk.path(&format!("medium/{bundle}"));
    let packing = packing_folder(&folder);
    let volumes =
        fs::read_dir(&packing).unwrap().filter(|f| f.as_ref().unwrap().path().extension().unwrap_or_default() == "tar");
    let count = volumes.count();
    assert!(count >= 3, "{count}");
    let whole: Vec<Vec<u8>> =
        (1..=count).map(|n| fs::read(packing.join(format!("volume-{n:03}.tar"))).unwrap()).collect();
    fs::remove_file(packing.join("volume-002.tar")).unwrap();
    story.import(&bundle, "site").says(Exit::VolumesMissing, &["volume-002.tar"]);
    let recut = |numbers: &str| {
        story.desk.run(&format!("recut medium/{bundle} --volumes {numbers} --out again --workspace online/workspace"))
    };
    recut("9").says(Exit::Usage, &["no volume 9"]);
    recut("2,3").ok();
    for number in [2, 3] {
        let again = packing_folder(&story.desk.path(&format!("again/{bundle}")));
        let again = fs::read(again.join(format!("volume-{number:03}.tar"))).unwrap();
        assert_eq!(again, whole[number - 1]);
    }
    story.desk.run(&format!("import again/{bundle} --site site")).ok();
}
