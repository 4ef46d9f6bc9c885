//! What clients find beside the list of packages: the keys that sign it.

use std::process::Command;

use tempfile::TempDir;

use super::{APP_1, LIB, desk, ferry};
use crate::apt_client::run;
use crate::support::desk::{Desk, Ended, end};

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
