//! Judges, by real clients, two things beside the list of packages: its keys, and the deltas that upstream offers.

use std::process::Command;

use tempfile::TempDir;

use super::{APP_1, LIB, client, desk, ferry};
use crate::apt_client::run;
use crate::support::desk::{Desk, Ended, end};

const BIG_1: &str = "ferry-big-1.0-1.x86_64";
const BIG_2: &str = "ferry-big-2.0-1.x86_64";
const DELTA: &str = "drpms/ferry-big-1.0-1_2.0-1.x86_64.drpm";

/// A machine with zypper, all below one temporary folder.
struct Zypper(TempDir);

impl Zypper {
    fn new(baseurl: &str) -> Self {
        let zypper = Self(tempfile::tempdir().unwrap());
        zypper.run(&format!("addrepo {baseurl} el")).ok();
        zypper
    }

    fn run(&self, arguments: &str) -> Ended {
        let mut zypper = Command::new("zypper");
        zypper.arg("--root").arg(self.0.path()).args(["--non-interactive", "--gpg-auto-import-keys"]);
        zypper.args(arguments.split_whitespace()).env("LC_ALL", "C.UTF-8").env("no_proxy", "127.0.0.1");
        end(&mut zypper)
    }
}

/// zypper looks for the keys beside the list, and is told of no others.
#[track_caller]
fn zypper_imports_the_key(desk: &Desk, key_id: &str) {
    let serving = desk.serve();
    let zypper = Zypper::new(&format!("http://{}/yum/el/", serving.address));
    let told = zypper.run("refresh").ok().out;
    let fingerprint: String = told.split_whitespace().collect();
    assert!(fingerprint.contains(key_id), "{key_id} is not in {told}");
    let found = zypper.run("search ferry-app").ok().out;
    assert!(found.contains("ferry-app"), "{found}");
}

/// The fingerprint of the key in a file.
fn fingerprint(desk: &Desk, file: &str) -> String {
    let shown = run(Command::new("gpg").args(["--batch", "--with-colons", "--show-keys"]).arg(desk.path(file)));
    let line = shown.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
    line.trim_end_matches(':').rsplit(':').next().unwrap().to_owned()
}

#[test]
fn zypper_imports_the_sites_key_of_a_re_indexed_repository() {
    let desk = super::mirror();
    let key = fingerprint(&desk, "site/current/keys/site.asc");
    zypper_imports_the_key(&desk, &key);
}

#[test]
fn zypper_imports_the_pinned_keys_of_a_verbatim_repository() {
    let desk = desk("publish = \"verbatim\"");
    ferry(&desk, 1, &[APP_1, LIB]);
    let key = fingerprint(&desk, "site/current/keys/yum/el.asc");
    zypper_imports_the_key(&desk, &key);
}

#[test]
fn dnf_gets_the_deltas_that_verbatim_metadata_offers() {
    let desk = desk("publish = \"verbatim\"");
    ferry(&desk, 1, &[BIG_1]);
    let serving = desk.serve();
    let dnf = client(&serving);
    dnf.run("install ferry-big").ok();
    ferry(&desk, 2, &[BIG_1, BIG_2]);
    assert!(desk.path(&format!("site/current/yum/el/{DELTA}")).exists(), "createrepo_c made no delta");
    // applydeltarpm asks the database of this host, which is not that of the machine, and dnf then takes the whole package.
    let told = dnf.run("upgrade --refresh").ok().out;
    assert!(told.contains("ferry-big-1.0-1_2.0-1.x86_64.drpm"), "dnf wants no delta: {told}");
    assert_eq!(dnf.installed(), ["ferry-big-0:2.0-1.x86_64"]);
    let base = desk.path("site/current/yum/el");
    let made = desk.path("made.rpm");
    let mut apply = Command::new("applydeltarpm");
    run(apply.arg("-r").arg(base.join(format!("Packages/f/{BIG_1}.rpm"))).arg(base.join(DELTA)).arg(&made));
    let (made, whole) =
        (std::fs::read(made).unwrap(), std::fs::read(base.join(format!("Packages/f/{BIG_2}.rpm"))).unwrap());
    assert!(made == whole, "the delta makes another package");
}

#[test]
fn deltas_of_packages_left_out_count_as_not_carried() {
    let desk = desk("publish = \"verbatim\"\narchitectures = [\"i686\"]");
    ferry(&desk, 1, &[BIG_1, BIG_2, "ferry-app-1.0-1.i686"]);
    let status = desk.run("status --site site --json").ok().json();
    let published = &status["published"]["yum/el"];
    assert_eq!([&published["items"], &published["not_carried"]], [1, 3], "{status}");
    assert!(published["not_carried_examples"].to_string().contains(DELTA), "{status}");
}
