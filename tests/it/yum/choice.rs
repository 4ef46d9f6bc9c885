//! What is carried: architectures, newest versions, module streams.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use gapferry::cli::Exit;

use super::{APP_1, APP_2, LIB, RPMS, client, desk, ferry};
use crate::support::desk::{Desk, end, names};

const ALL: [&str; 9] = [
    APP_1,
    APP_2,
    "ferry-app-10.0-1.x86_64",
    "ferry-app-10.0~rc1-1.x86_64",
    "ferry-app-1.0-1.i686",
    LIB,
    "ferry-mod-1.0-1.noarch",
    "ferry-mod-2.0-1.noarch",
    "ferry-lib-1.0^git1-1.src",
];

/// The packages that the site publishes, without `.rpm`.
fn published(desk: &Desk) -> BTreeSet<String> {
    let files = names(&desk.path("site/current/yum/el/Packages/f"));
    files.iter().map(|name| name.strip_suffix(".rpm").unwrap().to_owned()).collect()
}

fn set(packages: &[&str]) -> BTreeSet<String> {
    packages.iter().map(|&package| package.to_owned()).collect()
}

#[test]
fn the_sample_is_a_selection() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/rpm-repository.toml");
    let selection = gapferry::selection::Selection::load(sample.as_ref()).unwrap();
    assert!(selection.yum[0].newest_only);
}

#[test]
fn architectures_and_newest_versions() {
    for (more, left_out) in [
        ("", &[ALL[8]][..]),
        ("architectures = [\"x86_64\"]", &[ALL[4], ALL[8]]),
        ("architectures = [\"i686\", \"src\"]", &[ALL[0], ALL[1], ALL[2], ALL[3]]),
        ("newest-only = true", &[ALL[0], ALL[1], ALL[3], ALL[8]]),
    ] {
        let desk = desk(more);
        ferry(&desk, 1, &ALL);
        let mut wanted = set(&ALL);
        left_out.iter().for_each(|package| assert!(wanted.remove(*package)));
        assert_eq!(published(&desk), wanted, "{more}");
    }
    let desk = desk("architectures = [\"ppc64le\"]");
    RPMS.repository(&desk.path("up"), 1, &[APP_1]);
    desk.export("").says(Exit::Usage, &["nothing has these architectures", "x86_64"]);
}

#[test]
fn what_is_said_of_packages_is_news_and_a_new_signature_is_not() {
    let desk = desk("");
    ferry(&desk, 1, &[APP_1, LIB]);
    let (up, ours) = (desk.path("up"), desk.path("site/current/yum/el/repodata"));
    let repomd = up.join("repodata/repomd.xml");
    fs::write(&repomd, fs::read_to_string(&repomd).unwrap().replace("  <", "   <")).unwrap();
    RPMS.sign(&up, "Upstream");
    desk.export("").says(Exit::NothingNew, &[]);
    let advisories = up.join("updateinfo.xml");
    fs::write(&advisories, "<?xml version=\"1.0\"?>\n<updates/>\n").unwrap();
    end(Command::new("modifyrepo_c").arg("--mdtype=updateinfo").arg(&advisories).arg(up.join("repodata"))).ok();
    RPMS.sign(&up, "Upstream");
    let advised = || names(&ours).iter().filter(|name| name.ends_with("-updateinfo.xml.gz")).count();
    assert_eq!(advised(), 0);
    desk.ferry();
    assert_eq!(advised(), 1);
}

#[test]
fn module_streams_are_kept_whole() {
    let desk = desk("newest-only = true\narchitectures = [\"x86_64\"]");
    ferry(&desk, 1, &ALL);
    let serving = desk.serve();
    let dnf = client(&serving);
    let list = dnf.run("module list").ok().out;
    let lines: Vec<&str> = list.lines().filter(|line| line.starts_with("ferrymod")).collect();
    assert_eq!(lines.len(), 2, "{list}");
    dnf.run("install ferry-mod").ok();
    assert_eq!(dnf.installed(), ["ferry-mod-0:1.0-1.noarch"], "the default stream");
    dnf.run("module reset ferrymod").ok();
    dnf.run("module install ferrymod:2/default").ok();
    assert_eq!(dnf.installed(), ["ferry-mod-0:2.0-1.noarch"]);
    let groups = dnf.run("group info ferry").ok().out;
    assert!(groups.contains("ferry-app"), "{groups}");
    // Databases and the like are left out; the rest is upstream's, byte for byte.
    for file in names(&desk.path("site/current/yum/el/repodata")) {
        let (ours, theirs) = (desk.path("site/current/yum/el/repodata"), desk.path("up/repodata"));
        assert!(!file.contains(".sqlite"), "{file}");
        if file.contains("modules.yaml") || file.contains("groups.xml") {
            assert_eq!(fs::read(ours.join(&file)).unwrap(), fs::read(theirs.join(&file)).unwrap(), "{file}");
        }
    }
}
