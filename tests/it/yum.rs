//! RPM repositories the whole way, with the real `dnf` as the judge, which checks all signatures.

mod choice;
pub(crate) mod dnf;
mod listed;
mod odd;
mod refused;
pub(crate) mod rpms;

use std::process::Command;

use self::dnf::Dnf;
use self::rpms::RPMS;
use crate::apt_client::run;
use crate::support::desk::{Desk, Serving};

pub(crate) const APP_1: &str = "ferry-app-1.0-1.x86_64";
pub(crate) const APP_2: &str = "ferry-app-2.0-1.x86_64";
pub(crate) const APP_3: &str = "ferry-app-10.0-1.x86_64";
pub(crate) const LIB: &str = "ferry-lib-1.0^git1-1.noarch";

/// What dnf calls them.
pub(crate) const SHOWN: [&str; 3] =
    ["ferry-app-0:1.0-1.x86_64", "ferry-app-0:2.0-1.x86_64", "ferry-lib-0:1.0^git1-1.noarch"];

/// Both sides of the gap, with `more` lines in the selection; the repository is in the folder `up`.
fn desk(more: &str) -> Desk {
    let desk = Desk::new();
    select(&desk, &desk.url("up"), "Upstream", more);
    init(&desk, "Upstream");
    desk
}

/// A desk whose site publishes the repository.
pub(crate) fn mirror() -> Desk {
    let desk = desk("");
    ferry(&desk, 1, &[APP_1, LIB]);
    desk
}

/// Selects the repository at `url`, which `who` must have signed.
fn select(desk: &Desk, url: &str, who: &str, more: &str) {
    let keyring = RPMS.path(&format!("{who}.asc"));
    desk.select(&format!("[[yum]]\nname = \"el\"\nurl = \"{url}\"\nkeyring = \"{}\"\n{more}\n", keyring.display()));
}

/// Makes the site, which pins the key of `who`.
fn init(desk: &Desk, who: &str) {
    let keyring = RPMS.path(&format!("{who}.asc"));
    let more = format!("--builder online/builder.key.pub --keyring el={}", keyring.display());
    desk.run(&format!("site init site --name dc1 {more}")).ok();
}

/// The next state of the repository, carried and imported.
fn ferry(desk: &Desk, state: i64, packages: &[&str]) {
    RPMS.repository(&desk.path("up"), state, packages);
    desk.ferry();
}

/// A machine that uses the served mirror, with the keys that are published beside it.
fn client(serving: &Serving) -> Dnf {
    let base = format!("http://{}", serving.address);
    Dnf::new(&format!("{base}/yum/el/"), &format!("{base}/keys/site.asc {base}/keys/yum/el.asc"), "")
}

#[test]
fn dnf_installs_updates_and_goes_back() {
    let desk = desk("newest-only = true");
    ferry(&desk, 1, &[APP_1, LIB]);
    let serving = desk.serve();
    let dnf = client(&serving);
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);

    ferry(&desk, 2, &[APP_1, APP_2, LIB]);
    assert_eq!(dnf.offered(), [SHOWN[1], SHOWN[2]]);
    dnf.run("upgrade").ok();
    assert_eq!(dnf.installed(), [SHOWN[1], SHOWN[2]]);

    desk.run("rollback --site site").ok();
    assert_eq!(dnf.offered(), [SHOWN[0], SHOWN[2]]);
    dnf.run("distro-sync").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);

    // dnf may go by what it has read for two days, and by then older generations may be gone.
    let late = client(&serving);
    late.run("makecache").ok();
    ferry(&desk, 3, &[APP_3, LIB]);
    desk.run("gc --keep 1 --site site").ok();
    assert_eq!(dnf.offered(), ["ferry-app-0:10.0-1.x86_64", SHOWN[2]]);
    late.run("install ferry-app").ok();
    assert_eq!(late.installed(), [SHOWN[0], SHOWN[2]]);
}

/// cloud-init's own module for yum, told where to write.
const YUM_MODULE: &str = r#"
import logging, sys, yaml
from cloudinit.config import cc_yum_add_repo
config = yaml.safe_load(open(sys.argv[1]))
config["yum_repo_dir"] = sys.argv[2]
cc_yum_add_repo.handle("yum_add_repo", config, None, logging.getLogger(), [])
"#;

#[test]
fn user_data_points_a_machine_at_the_mirror() {
    let desk = desk("");
    ferry(&desk, 1, &[APP_1, LIB]);
    let serving = desk.serve();
    let told = "setup user-data --site site --os rocky --release 9 --out user-data.yaml";
    desk.run(&format!("{told} --serve-url http://{}", serving.address)).ok();
    let dnf = Dnf::new("http://elsewhere.invalid/", "", "enabled=0");
    // The system's own python, for which cloud-init brings the module.
    let mut module = Command::new("/usr/bin/python3");
    run(module.args(["-c", YUM_MODULE]).arg(desk.path("user-data.yaml")).arg(dnf.repos()));
    assert!(dnf.repos().join("gapferry-el.repo").exists());
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);
}

/// Behind the transparent proxy: the upstream's own address, its own metadata, and no key but its own.
#[test]
fn upstreams_own_metadata_under_its_own_name() {
    let desk = desk("publish = \"verbatim\"");
    let toml = desk.path("site/site.toml");
    let alias = "\n[[serve.alias]]\nurl = \"http://mirror.test/el\"\ncollection = \"yum/el\"\n";
    std::fs::write(&toml, std::fs::read_to_string(&toml).unwrap() + alias).unwrap();
    ferry(&desk, 1, &[APP_1, LIB]);
    let serving = desk.serve();
    let key = format!("file://{}", RPMS.path("Upstream.asc").display());
    let dnf = Dnf::new("http://mirror.test/el/", &key, &format!("proxy=http://{}/", serving.address));
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);
    ferry(&desk, 2, &[APP_2, LIB]);
    assert_eq!(dnf.offered(), [SHOWN[1], SHOWN[2]]);
    let back = desk.run("rollback --site site --json").ok();
    assert_eq!(back.json()["clients_keep_newer"], serde_json::json!([]));
    assert_eq!(dnf.offered(), [SHOWN[0], SHOWN[2]], "dnf takes what is there, older or not");
}
