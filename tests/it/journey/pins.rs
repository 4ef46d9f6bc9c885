//! apt's preferences: the version that apt would install is the one that is carried.

use std::fs;
use std::path::Path;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use super::candidate;
use crate::apt_client::{AptClient, output};
use crate::support::desk::Desk;

/// Two archives with a browser: a distribution's transitional package with the higher version, and the maker's own.
fn desk() -> Desk {
    let desk = Desk::new();
    let browser = |version: &str| DebSpec { source: "fox-src".into(), ..DebSpec::new("firefox", version, "amd64") };
    let mut distribution = Upstream::new("Distribution", &["amd64"]);
    distribution.add("stable", "main", browser("1:1snap1")).add("stable", "main", DebSpec::new("lib", "2.1", "all"));
    distribution.add("stable-updates", "main", DebSpec::new("lib", "2.2", "all"));
    let mut maker = Upstream::new("Maker", &["amd64"]);
    maker.add("mozilla", "main", browser("128.0")).add("mozilla", "main", DebSpec::new("lib", "1.9", "all"));
    desk.archive("distribution", &mut distribution, &["stable", "stable-updates"]);
    desk.archive("maker", &mut maker, &["mozilla"]);
    let key = desk.path("keyring.gpg");
    let lines = format!(
        "deb [signed-by={0}] {1} stable main\ndeb [signed-by={0}] {1} stable-updates main\n\
         deb [signed-by={0}] {2} mozilla main\n",
        key.display(),
        desk.url("distribution"),
        desk.url("maker")
    );
    fs::create_dir_all(desk.path("online/apt/sources.list.d")).unwrap();
    fs::create_dir_all(desk.path("online/apt/preferences.d")).unwrap();
    fs::write(desk.path("online/apt/sources.list.d/host.list"), lines).unwrap();
    desk
}

fn select(desk: &Desk, more: &str) {
    desk.select(&format!(
        "[[apt]]\nname = \"host\"\nsources = \"apt/sources.list.d/host.list\"\narchitectures = [\"amd64\"]\n\
         packages = [\"firefox\", \"lib\"]\n{more}\n"
    ));
}

/// An apt with the same lists and preferences.
fn apt(desk: &Desk) -> AptClient {
    let client = AptClient::new("amd64");
    let copy = |name: &str, from: &Path| fs::copy(from, client.path(&format!("etc/apt/{name}"))).unwrap();
    copy("sources.list", &desk.path("online/apt/sources.list.d/host.list"));
    for entry in fs::read_dir(desk.path("online/apt/preferences.d")).unwrap().map(Result::unwrap) {
        copy(&format!("preferences.d/{}", entry.file_name().display()), &entry.path());
    }
    if desk.path("online/apt/preferences").exists() {
        copy("preferences", &desk.path("online/apt/preferences"));
    }
    client.apt_get("update");
    client
}

/// The packages that the export carries, as `NAME_VERSION_ARCHITECTURE`.
fn carried(desk: &Desk) -> Vec<String> {
    let items = super::items(desk, &desk.bundle());
    fs::remove_dir_all(desk.path("medium")).unwrap();
    fs::remove_dir_all(desk.path("online/workspace")).unwrap();
    items
}

/// Preferences, and the versions of firefox and lib that apt prefers by them.
const PREFERENCES: [(&str, [&str; 2]); 14] = [
    ("", ["1:1snap1", "2.2"]),
    ("Package: *\nPin: release o=Maker\nPin-Priority: 1000\n", ["128.0", "1.9"]),
    ("Package: *\nPin: release mozilla\nPin-Priority: 501\n", ["128.0", "1.9"]),
    ("Package: firefox*\nPin: release o=Distribution\nPin-Priority: -1\n", ["128.0", "2.2"]),
    ("Package: firefox\nPin: version 128*\nPin-Priority: 600\n", ["128.0", "2.2"]),
    ("Package: src:fox-src\nPin: release n=mozilla\nPin-Priority: 600\n", ["128.0", "2.2"]),
    ("Package: /^LI/\nPin: release a=stable\nPin-Priority: 600\n", ["1:1snap1", "2.1"]),
    ("Package: lib:amd64\nPin: version 1.?\nPin-Priority: 600\n", ["1:1snap1", "1.9"]),
    ("Package: *\nPin: release o=Distribution\nPin-Priority: 400\n", ["128.0", "1.9"]),
    ("Package: *\nPin: origin \"\"\nPin-Priority: 400\n", ["1:1snap1", "2.2"]),
    // The first of several records counts.
    (
        "Explanation: no\nPackage: lib\nPin: release *\nPin-Priority: 100\n\nPackage: lib\nPin: version 1.9\nPin-Priority: 900\n",
        ["1:1snap1", "2.2"],
    ),
    (
        "Package: *\nPin: release c=main, a=stable-updates\nPin-Priority: never\n\n# no\nPackage: *\nPin: release o=*\n\
         Pin-Priority: 7\n",
        ["1:1snap1", "2.1"],
    ),
    // A record for a package goes before one for all of them.
    (
        "Package: *\nPin: release o=Maker\nPin-Priority: 900\n\nPackage: lib other\nPin: release o=Maker\nPin-Priority: 1\n",
        ["128.0", "2.2"],
    ),
    ("Package: lib\nPin: release v=1\nPin-Priority: 900\n", ["1:1snap1", "2.2"]),
];

#[test]
fn carries_the_versions_that_apt_prefers() {
    let desk = desk();
    select(&desk, "");
    for (text, expected) in PREFERENCES {
        fs::write(desk.path("online/apt/preferences.d/pins.pref"), text).unwrap();
        let apt = apt(&desk);
        assert_eq!(["firefox", "lib"].map(|name| candidate(&apt, name)), expected, "apt: {text}");
        let [firefox, lib] = expected;
        assert_eq!(carried(&desk), [format!("firefox_{firefox}_amd64"), format!("lib_{lib}_all")], "{text}");
    }
}

#[test]
fn preferences_are_read_where_apt_has_them() {
    let desk = desk();
    let pin = |package: &str, version: &str, priority: u32| {
        format!("Package: {package}\nPin: version {version}\nPin-Priority: {priority}\n")
    };
    // `preferences` goes before the files of the folder, and files with other endings do not count.
    fs::write(desk.path("online/apt/preferences"), pin("lib", "2.1", 600)).unwrap();
    fs::write(desk.path("online/apt/preferences.d/a"), pin("lib", "2.1", 1)).unwrap();
    fs::write(desk.path("online/apt/preferences.d/b.bak"), pin("firefox", "128.0", 600)).unwrap();
    select(&desk, "");
    let apt = apt(&desk);
    assert_eq!(["firefox", "lib"].map(|name| candidate(&apt, name)), ["1:1snap1", "2.1"]);
    assert_eq!(carried(&desk), ["firefox_1:1snap1_amd64", "lib_2.1_all"]);
    // Named ones count instead of these.
    fs::write(desk.path("online/own"), pin("firefox", "128.0", 600)).unwrap();
    select(&desk, "preferences = \"own\"");
    assert_eq!(carried(&desk), ["firefox_128.0_amd64", "lib_2.2_all"]);
    let without = "Package: a\nPin: release *\n";
    fs::write(desk.path("online/own"), without).unwrap();
    desk.export("").says(Exit::Usage, &["online/own", "record 1", "no Pin-Priority"]);
    fs::write(desk.path("online/apt/preferences.d/a"), without).unwrap();
    let refused = output(self::apt(&desk).command("apt-get").args(["install", "-s", "lib"]));
    assert!(!refused.status.success(), "apt refuses it too: {refused:?}");
    fs::write(desk.path("online/own"), "Package: a\nPin: moon\nPin-Priority: 1\n").unwrap();
    desk.export("").says(Exit::Usage, &["online/own", "record 1", "none of version, origin and release: moon"]);
}
