//! docs/backup.md, command by command: what is backed up, moved and lost comes back as the page says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::depot::Depot;
use gapferry::digest::Sha256;

use super::rollback::{desk, publish};
use super::{candidate, client, key};
use crate::serve::ask;
use crate::support::desk::{Desk, clean, end};
use crate::support::world::gapferry;

const IN_RELEASE: &str = "/apt/demo/dists/stable/InRelease";

/// The page, with the folders that it names in the places that the test has them.
struct Page<'a> {
    desk: &'a Desk,
    blocks: std::vec::IntoIter<String>,
    other_disk: tempfile::TempDir,
}

impl<'a> Page<'a> {
    fn new(desk: &'a Desk) -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/backup.md")).unwrap();
        let blocks: Vec<String> = text.split("```\n").skip(1).step_by(2).map(str::to_owned).collect();
        fs::create_dir(desk.path("backup")).unwrap();
        // Desks are in memory where there is room, and this is on a disk.
        let other_disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { desk, blocks: blocks.into_iter(), other_disk }
    }

    /// Runs the next block, which must have these words in it.
    #[track_caller]
    fn run(&mut self, words: &str) {
        let block = self.blocks.next().expect("the page has a block more");
        assert!(block.contains(words), "{words:?} is not in:\n{block}");
        let path = |below: &str| self.desk.path(below).to_str().unwrap().to_owned();
        let mut script = block.clone();
        for (name, place) in [
            ("/srv/gapferry", path("site")),
            ("/srv/workspace", path("online/workspace")),
            ("/srv/new", path("new")),
            ("/backup", path("backup")),
            ("/mnt/new", self.other_disk.path().to_str().unwrap().to_owned()),
            ("/media/stick", path("medium")),
            ("builder.key.pub", path("online/builder.key.pub")),
            ("selection.toml", path("online/selection.toml")),
        ] {
            script = script.replace(name, &place);
        }
        let mut command = Command::new("bash");
        clean(command.args(["-e", "-c", &script]).current_dir(self.desk.path("")));
        let path = format!("{}:{}", gapferry().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let ended = end(command.env("PATH", path));
        assert_eq!(ended.code, 0, "{script}\n{}\n{}", ended.out, ended.err);
    }
}

/// Returns the status, and tag and date of the signed list as clients see it.
fn seen(desk: &Desk) -> (String, Vec<String>) {
    let status = desk.run("status --site site").ok().out;
    let answer = ask(&desk.serve(), "GET", IN_RELEASE, "");
    (status, ["etag", "last-modified"].map(|name| answer.headers[name].clone()).to_vec())
}

/// Fails unless a new apt, with the key in the file, finds this version at the site.
#[track_caller]
fn apt_sees(desk: &Desk, version: &str) {
    let client = client(desk, "demo", "stable", "main");
    client.apt_get("update -o APT::Update::Error-Mode=any");
    assert_eq!(candidate(&client, "hello"), version);
    client.apt_get("install -y --download-only hello");
}

/// A new bundle with this version.
fn bundle(desk: &Desk, version: &str) -> PathBuf {
    publish(desk, version, "First");
    desk.bundle()
}

fn lose(desk: &Desk, what: &[&str]) {
    what.iter().map(|below| desk.path(below)).for_each(|path| {
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    });
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let desk = desk();
    let first = bundle(&desk, "1.0-1");
    desk.import(&first).ok();
    let second = bundle(&desk, "2.0-1");
    let mut page = Page::new(&desk);
    let before = seen(&desk);

    page.run("site.tar");
    lose(&desk, &["site"]);
    page.run("site.tar");
    assert_eq!(seen(&desk), before);
    apt_sees(&desk, "1.0-1");

    page.run("rsync -aH");
    let moved = page.other_disk.path().join("gapferry");
    for arguments in ["import medium/dc1-base-000002", "rollback", "gc --keep 1", "site check"] {
        desk.run(&format!("{arguments} --site {}", moved.display())).ok();
    }

    let old_key = fs::read(key(&desk)).unwrap();
    page.run("state.tar");
    lose(&desk, &["site"]);
    page.run("state.tar");
    apt_sees(&desk, "2.0-1");
    assert_eq!(fs::read(key(&desk)).unwrap(), old_key);
    desk.import(&first).says(Exit::Refused, &["sequence 1"]);
    assert!(fs::read_to_string(desk.path("site/audit.jsonl")).unwrap().contains("dc1-base-000001"));

    lose(&desk, &["site/keys", "site/trust", "site/site.toml"]);
    page.run("keys trust site.toml");
    desk.run("status --site site").ok();

    let deb = desk.path("site/current/apt/demo/pool/main/h/hello/hello_2.0-1_amd64.deb");
    let blob = Depot::existing(&desk.path("site/depot")).place(&Sha256::of(&fs::read(&deb).unwrap()));
    fs::remove_file(blob).unwrap();
    fs::remove_file(deb).unwrap();
    desk.run("site check --site site").says(Exit::RotFound, &[]);
    page.run("--reread");
    desk.run("site check --site site").ok();
    apt_sees(&desk, "2.0-1");
    desk.import(&second).says(Exit::NothingNew, &[]);

    bundle(&desk, "3.0-1");
    lose(&desk, &["site/keys/site.pgp"]);
    page.run("site init");
    assert_ne!(fs::read(key(&desk)).unwrap(), old_key);
    apt_sees(&desk, "3.0-1");

    page.run("history");
    lose(&desk, &["online/workspace"]);
    page.run("workspace.tar");
    let fourth = bundle(&desk, "4.0-1");
    assert_eq!(fourth.file_name().unwrap(), "dc1-base-000004");
    desk.import(&fourth).ok();

    lose(&desk, &["online/workspace/history", "medium"]);
    fs::create_dir(desk.path("medium")).unwrap();
    let again = bundle(&desk, "5.0-1");
    desk.import(&again).says(Exit::Refused, &["sequence 1"]);
    page.run("epoch");
    lose(&desk, &["online/workspace/history", "medium"]);
    fs::create_dir(desk.path("medium")).unwrap();
    desk.import(&bundle(&desk, "6.0-1")).ok();
    apt_sees(&desk, "6.0-1");
    assert_eq!(page.blocks.next(), None, "the page has a block that is not run");
}
