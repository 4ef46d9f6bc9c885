//! Repositories as they really are: dnf gets from the site what it takes from the upstream.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit::VerificationFailed;

use super::{APP_1, APP_2, LIB, SHOWN, client, desk};
use crate::apt_client::run;
use crate::support::desk::{Desk, Serving};
use crate::support::server::Server;
use crate::yum::dnf::Dnf;
use crate::yum::rpms::RPMS;

/// Replaces the list of packages by what `change` makes of it, and signs the repository again.
fn with_primary(up: &Path, change: impl FnOnce(String) -> String, change_repomd: impl FnOnce(String) -> String) {
    let repodata = up.join("repodata");
    let mut paths = fs::read_dir(&repodata).unwrap().map(|entry| entry.unwrap().path());
    let packed = paths.find(|path| path.to_string_lossy().ends_with("primary.xml.gz")).expect("a list of packages");
    let text = run(Command::new("gzip").arg("-dc").arg(&packed));
    let plain = up.join("primary.xml");
    fs::write(&plain, change(text)).unwrap();
    run(Command::new("modifyrepo_c").args(["--mdtype", "primary"]).arg(&plain).arg(&repodata));
    fs::remove_file(plain).unwrap();
    let repomd = repodata.join("repomd.xml");
    fs::write(&repomd, change_repomd(fs::read_to_string(&repomd).unwrap())).unwrap();
    RPMS.sign(up, "Upstream");
}

/// Returns the text with the hexadecimal digits of each `<checksum>` in capitals.
fn shouted(text: &str) -> String {
    let mut parts = text.split("<checksum ");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (checksum, rest) = part.split_once("</checksum>").unwrap();
        let (tag, digest) = checksum.split_once('>').unwrap();
        out += &format!("<checksum {tag}>{}</checksum>{rest}", digest.to_uppercase());
    }
    out
}

#[test]
fn odd_entries_that_dnf_takes_are_carried() {
    let desk = desk("");
    let up = desk.path("up");
    RPMS.repository(&up, 1, &[APP_1, LIB]);
    let stylesheet = "?>\n<?xml-stylesheet type=\"text/xsl\" href=\"x.xsl\"?>";
    let change = |text: String| {
        let end = text.find("</package>").unwrap() + "</package>".len();
        let start = text.find("<package ").unwrap();
        let twice = format!("{}\n{}", text.get(..end).unwrap(), text.get(start..).unwrap());
        shouted(&twice)
            .replace("epoch=\"0\"", "epoch=\"\"")
            .replace("href=\"Packages/", "href=\"./Packages/")
            .replacen("?>", stylesheet, 1)
    };
    with_primary(&up, change, |text| text.replacen("?>", stylesheet, 1));

    let server = Server::start(&desk.path("up"));
    let key = format!("file://{}", RPMS.path("Upstream.asc").display());
    let control = Dnf::new(server.url("").as_str(), &key, "");
    control.run("install ferry-app").ok();
    assert_eq!(control.installed(), [SHOWN[0], SHOWN[2]]);

    desk.ferry();
    let serving = desk.serve();
    let dnf = client(&serving);
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);
}

/// Makes the metadata of the repository anew, with more arguments of createrepo_c.
fn create_again(up: &Path, more: &[&str]) {
    run(Command::new("rm").arg("-r").arg(up.join("repodata")));
    run(Command::new("createrepo_c").arg("-q").args(more).arg(up));
    RPMS.sign(up, "Upstream");
}

/// A machine that uses the upstream itself: the control.
fn control(server: &Server) -> Dnf {
    Dnf::new(server.url("").as_str(), &format!("file://{}", RPMS.path("Upstream.asc").display()), "")
}

/// A machine that uses the served mirror by its path: under the upstream's own address the site would answer as the upstream does.
fn by_path(serving: &Serving) -> Dnf {
    let address = serving.address.replace("127.0.0.1", "localhost");
    let keys = format!("http://{address}/keys/site.asc http://{address}/keys/yum/el.asc");
    Dnf::new(&format!("http://{address}/yum/el/"), &keys, "")
}

#[test]
fn metadata_of_another_strong_digest_alone_is_carried() {
    for (publish, digest) in [("re-indexed", "sha384"), ("verbatim", "sha512")] {
        let desk = desk(&format!("publish = \"{publish}\""));
        let up = desk.path("up");
        RPMS.repository(&up, 1, &[APP_1, LIB]);
        create_again(&up, &["--checksum", digest]);
        let repomd = fs::read_to_string(up.join("repodata/repomd.xml")).unwrap();
        assert!(repomd.contains(&format!("type=\"{digest}\"")) && !repomd.contains("sha256"), "{repomd}");

        let server = Server::start(&up);
        let control = control(&server);
        control.run("install ferry-app").ok();
        assert_eq!(control.installed(), [SHOWN[0], SHOWN[2]]);

        desk.ferry();
        let serving = desk.serve();
        let dnf = by_path(&serving);
        dnf.run("install ferry-app").ok();
        assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);
        assert!(dnf.run("repoquery --file /usr/share/ferry-app/version").ok().out.contains("ferry-app"));
    }
}

#[test]
fn broken_checksums_are_refused_for_what_they_are() {
    for (checksum, repomd_checksum) in [("sha1", "sha1"), ("sha256", "sha1")] {
        let desk = desk("");
        let up = desk.path("up");
        RPMS.repository(&up, 1, &[APP_1, LIB]);
        create_again(&up, &["--checksum", checksum, "--repomd-checksum", repomd_checksum]);
        let refused = desk.export("");
        refused.says(VerificationFailed, &["has a checksum of type \"sha", "which is broken", "sha256 or sha512"]);
    }
}

#[test]
fn packages_that_upstream_lacks_are_left_out_on_request() {
    let desk = desk("");
    let up = desk.path("up");
    RPMS.repository(&up, 1, &[APP_1, APP_2, LIB]);
    let place = |package: &str| up.join(format!("Packages/f/{package}.rpm"));
    fs::remove_file(place(APP_2)).unwrap();
    let bytes = fs::read(place(APP_1)).unwrap();
    let server = Server::start(&up);
    let control = control(&server);
    // dnf prefers the newest version, which fails, and does not fall back to another.
    assert_ne!(control.run("install ferry-app").code, 0);
    control.run("install ferry-app-1.0").ok();
    fs::write(place(APP_1), b"other bytes").unwrap();
    desk.export("").says(VerificationFailed, &[&format!("{APP_2}.rpm does not exist")]);

    super::select(&desk, server.url("").as_str(), "Upstream", "missing = \"leave-out\"");
    let collected = desk.export("--collect-only").ok().err;
    for package in [APP_1, APP_2] {
        assert!(collected.contains(&format!("el: left out Packages/f/{package}.rpm")), "{collected}");
    }
    fs::write(place(APP_1), bytes).unwrap();
    desk.ferry();
    let serving = desk.serve();
    let dnf = by_path(&serving);
    assert_eq!(dnf.offered(), [SHOWN[0], SHOWN[2]]);
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);
}

/// Adds entries to `repomd.xml` that name files which are not there, and takes the list of changes away.
fn without_optional_metadata(up: &Path, text: &str) -> String {
    let repodata = up.join("repodata");
    let mut paths = fs::read_dir(&repodata).unwrap().map(|entry| entry.unwrap().path());
    fs::remove_file(paths.find(|path| path.to_string_lossy().contains("other.xml")).unwrap()).unwrap();
    let entry = |kind: &str| {
        let start = text.find(&format!("<data type=\"{kind}\">")).unwrap();
        let end = text.get(start..).unwrap().find("</data>").unwrap() + start + "</data>".len();
        text.get(start..end).unwrap().to_owned()
    };
    let unknown = entry("other").replace("other", "something");
    text.replace("</repomd>", &format!("{}{unknown}</repomd>", entry("primary")))
}

/// A desk with a repository below `up/core/el`, some of whose packages are elsewhere.
fn desk_of_scattered(publish: &str) -> Desk {
    let desk = Desk::new();
    let up = desk.path("up/core/el");
    RPMS.repository(&up, 1, &[APP_1, APP_2, LIB, "ferry-big-1.0-1.x86_64"]);
    for (folder, package) in [("up/blobstore", LIB), ("up/core/el/Pack ages", APP_2)] {
        fs::create_dir_all(desk.path(folder)).unwrap();
        let file = format!("{package}.rpm");
        fs::rename(up.join("Packages/f").join(&file), desk.path(folder).join(&file)).unwrap();
    }
    let change = |text: String| {
        let (before, big) = text.split_at(text.find("<name>ferry-big").unwrap());
        let (tag, rest) = big.split_once("<checksum").unwrap();
        let rest = rest.split_once("</checksum>").unwrap().1;
        let weak = "<checksum type=\"sha1\" pkgid=\"YES\">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum>";
        format!("{before}{tag}{weak}{rest}")
            .replacen("<name>ferry-app", "<name>ferry app", 1)
            .replace("href=\"Packages/f/ferry-lib", "href=\"../../blobstore/ferry-lib")
            .replace("href=\"Packages/f/ferry-app-2", "href=\"Pack ages/ferry-app-2")
            .replace("href=\"Packages/f/ferry-app-1", "href=\"x/.././Packages/f/ferry-app-1")
    };
    with_primary(&up, change, |text| without_optional_metadata(&up, &text));
    super::select(&desk, &desk.url("up/core/el"), "Upstream", &format!("publish = \"{publish}\""));
    super::init(&desk, "Upstream");
    desk
}

/// Checks the notes on the repository that both ways of publishing it have.
fn check_notes(notes: &str) {
    for words in [
        "other.xml.gz, which repomd.xml lists and upstream does not have",
        "left out Packages/f/ferry-big-1.0-1.x86_64.rpm: ferry-big has a checksum of type \"sha1\", which is broken",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
}

#[test]
fn files_outside_of_the_repository_are_carried() {
    let desk = desk_of_scattered("re-indexed");
    let server = Server::start(&desk.path("up"));
    let control =
        Dnf::new(server.url("core/el").as_str(), &format!("file://{}", RPMS.path("Upstream.asc").display()), "");
    control.run("install ferry-app").ok();
    assert_eq!(control.installed(), [SHOWN[1], SHOWN[2]]);
    let offered = ["ferry app-0:1.0-1.x86_64", SHOWN[1], "ferry-big-0:1.0-1.x86_64", SHOWN[2]];
    assert_eq!(control.offered(), offered);

    check_notes(&desk.export("--collect-only").ok().err);
    desk.ferry();
    let serving = desk.serve();
    let dnf = client(&serving);
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[1], SHOWN[2]]);
    assert_eq!(dnf.offered(), [offered[0], offered[1], offered[3]]);
}

#[test]
fn packages_at_another_address_are_carried() {
    let desk = desk("");
    let up = desk.path("up");
    RPMS.repository(&up, 1, &[APP_1, LIB]);
    let server = Server::start(&up);
    create_again(&up, &["--baseurl", server.url("other").as_str()]);
    fs::create_dir(up.join("other")).unwrap();
    fs::rename(up.join("Packages"), up.join("other/Packages")).unwrap();
    let control = control(&server);
    control.run("install ferry-app").ok();
    desk.ferry();
    drop(server);
    let serving = desk.serve();
    let dnf = client(&serving);
    dnf.run("install ferry-app").ok();
    assert_eq!([control.installed(), dnf.installed()], [[SHOWN[0], SHOWN[2]]; 2]);
}

#[test]
fn verbatim_repositories_name_what_clients_cannot_reach() {
    let desk = desk_of_scattered("verbatim");
    let notes = desk.export("--collect-only").ok().err;
    check_notes(&notes);
    assert!(notes.contains("something.xml.gz, which repomd.xml lists and upstream does not have"), "{notes}");
    for location in ["../../blobstore/ferry-lib-1.0^git1-1.noarch.rpm", "Pack ages/ferry-app-2.0-1.x86_64.rpm"] {
        assert!(notes.contains(&format!("left out {location}: verbatim metadata")), "{notes}");
    }
    desk.ferry();
    let serving = desk.serve();
    let dnf = client(&serving);
    let failed = dnf.run("install ferry?app-1.0");
    assert!(failed.code != 0 && failed.out.contains("Status code: 404"), "{failed:?}");
    let status = desk.run("status --site site").ok().out;
    for path in ["_parent/_parent/blobstore/ferry-lib", "Pack%20ages/ferry-app-2.0", "something.xml.gz"] {
        assert!(status.contains(path), "{path}: {status}");
    }
}

#[test]
fn metadata_that_dnf_refuses_is_refused_with_the_reason() {
    let desk = desk("");
    let up = desk.path("up");
    let repomd = up.join("repodata/repomd.xml");
    for (entry, words) in [
        ("<data type=\"primary\"></data>", "primary has no location"),
        (
            "<data type=\"primary\"><checksum type=\"sha256\">e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</checksum>\
             <location href=\"repodata/x.xml\"/><size>0</size></data>",
            "repomd.xml has two different entries of the type primary, which dnf refuses too",
        ),
    ] {
        RPMS.repository(&up, 1, &[APP_1, LIB]);
        let text = fs::read_to_string(&repomd).unwrap();
        fs::write(&repomd, text.replace("</repomd>", &format!("{entry}</repomd>"))).unwrap();
        RPMS.sign(&up, "Upstream");
        fs::write(up.join("repodata/x.xml"), "").unwrap();
        assert_ne!(control(&Server::start(&up)).run("makecache").code, 0);
        desk.export("").says(VerificationFailed, &[words]);
    }
}
