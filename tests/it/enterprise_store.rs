//! Exports for an Enterprise Store, carried and handed on.
//!
//! The real program cannot be had without a store's registration: a stand-in takes its place here, which records how it is
//! called and fails when it is told to. So these tests say how gapferry behaves, and nothing about the real store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use gapferry::cli::Exit;
use serde_json::json;

use crate::support::desk::{Desk, names};

const SOURCE: &str = "[[enterprise-store]]\nexports = \"../exports/*.tar.gz\"\n";
const OLD: &str = "jq-20250101T000000.tar.gz";
const NEW: &str = "jq-20250202T000000.tar.gz";

/// A desk with two exports, the stand-in, and a site that is told of it.
struct Store {
    desk: Desk,
}

impl Store {
    fn new() -> Self {
        let store = Self { desk: Desk::new() };
        fs::create_dir(store.path("exports")).unwrap();
        fs::create_dir(store.path("to-push")).unwrap();
        store.export(NEW);
        store.export(OLD);
        store.desk.select(SOURCE);
        let program = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n\
             echo \"$1 $(basename \"$2\") $(cksum < \"$2\") $#\" >> calls\n\
             if grep -q \"$(basename \"$2\")\" refuse 2>/dev/null; then echo 'no such   publisher' >&2; exit 3; fi\n";
        fs::write(store.path("stand-in"), program).unwrap();
        fs::set_permissions(store.path("stand-in"), fs::Permissions::from_mode(0o755)).unwrap();
        store.desk.init(&[], "--allow-unsigned enterprise-store");
        let site = store.path("site/site.toml");
        let text = fs::read_to_string(&site).unwrap();
        let (program, folder) = (store.path("stand-in"), store.path("to-push"));
        let table = format!("[enterprise-store]\nprogram = {program:?}\nfolder = {folder:?}\n");
        fs::write(&site, text + &table).unwrap();
        store
    }

    fn path(&self, below: &str) -> PathBuf {
        self.desk.path(below)
    }

    fn export(&self, name: &str) {
        fs::write(self.path("exports").join(name), format!("what is in {name} is nobody's business")).unwrap();
    }

    /// Lets the stand-in refuse these files.
    fn refuse(&self, names: &[&str]) {
        fs::write(self.path("refuse"), names.join("\n")).unwrap();
    }

    /// The files that the stand-in was called with, in order.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

#[test]
fn exports_cross_unopened_and_are_pushed_one_at_a_time() {
    let store = Store::new();
    let said = store.desk.ferry();
    assert_eq!(said["pushed"], json!([OLD, NEW]));
    let calls = fs::read_to_string(store.path("calls")).unwrap();
    let sum = |name: &str| {
        let output = std::process::Command::new("cksum")
            .stdin(fs::File::open(store.path("exports").join(name)).unwrap())
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(calls, format!("push-snap {OLD} {} 2\npush-snap {NEW} {} 2\n", sum(OLD), sum(NEW)));
    assert_eq!(names(&store.path("to-push")), Vec::<String>::new());
    assert_eq!(names(&store.path("site/current/enterprise-store/exports")), [OLD, NEW]);
    let log = fs::read_to_string(store.path("site/audit.jsonl")).unwrap();
    assert_eq!(log.matches("\"event\":\"push\"").count(), 2);

    // What the store has is not pushed again, whatever else comes.
    store.export("htop-20250303T000000.tar.gz");
    assert_eq!(store.desk.ferry()["pushed"], json!(["htop-20250303T000000.tar.gz"]));
    assert_eq!(store.calls().len(), 3);
    let again = store.desk.run("push --site site --json").says(Exit::NothingNew, &["nothing to push"]).json();
    assert_eq!(again["outcome"], "nothing-new");
}

#[test]
fn what_the_store_refuses_is_reported_and_tried_again() {
    let store = Store::new();
    store.refuse(&[OLD]);
    let bundle = store.desk.bundle();
    let ended = store.desk.import(&bundle);
    ended.says(
        Exit::Failed,
        &["published as generation 1", "1 of 2 exports", OLD, "no such publisher", "gapferry push"],
    );
    assert_eq!(store.calls(), [OLD, NEW]);
    assert_eq!(names(&store.path("to-push")), [OLD]);
    store.desk.run("push --site site").says(Exit::Failed, &["1 of 1 exports"]);
    store.export("htop-20250303T000000.tar.gz");
    store.desk.import(&store.desk.bundle()).says(Exit::Failed, &["1 of 2 exports"]);
    store.refuse(&[]);
    assert_eq!(store.desk.run("push --site site --json").ok().json()["pushed"], json!([OLD]));
    assert_eq!(names(&store.path("to-push")), Vec::<String>::new());
}

#[test]
fn a_program_or_a_folder_that_is_not_there_is_named() {
    let store = Store::new();
    fs::rename(store.path("stand-in"), store.path("elsewhere")).unwrap();
    store.desk.import(&store.desk.bundle()).says(Exit::Failed, &["cannot run", "stand-in", "2 of 2"]);
    fs::rename(store.path("elsewhere"), store.path("stand-in")).unwrap();
    fs::remove_dir_all(store.path("to-push")).unwrap();
    store.desk.run("push --site site").says(Exit::Failed, &["cannot place it at", "to-push"]);
    let other = Desk::new();
    other.init(&[], "");
    other.run("push --site site").says(Exit::Usage, &["no [enterprise-store] in"]);
}

#[test]
fn only_a_site_that_allows_it_takes_exports() {
    let store = Store::new();
    let bundle = store.desk.bundle();
    fs::remove_dir_all(store.path("site")).unwrap();
    store.desk.init(&[], "");
    store.desk.import(&bundle).says(Exit::Refused, &["enterprise-store"]);
    assert_eq!(store.calls(), Vec::<String>::new());
}

#[test]
fn files_of_other_names_are_not_taken() {
    let store = Store::new();
    fs::write(store.path("exports/evil.tar.gz"), b"x").unwrap();
    store.desk.export("").says(Exit::Usage, &["evil.tar.gz", "store-admin export"]);
    store.desk.select("[[enterprise-store]]\nexports = \"../none/*.tar.gz\"\n");
    store.desk.export("").says(Exit::Usage, &["there is no file"]);
    store.desk.select("[[enterprise-store]]\nexports = \"../exports/***\"\n");
    store.desk.export("").says(Exit::Usage, &["not a pattern"]);
}
