//! Source lists as they really are: apt's own reader is the control.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::formats::openpgp::Keyring;
use gapferry::upstream::{DebSpec, Upstream};

use super::candidate;
use crate::apt_client::{AptClient, output, run};
use crate::support::cage::{Cage, Plan};
use crate::support::desk::{ARCHIVE_KEY, Desk, end};

fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Lists", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    fs::write(desk.path("keyring.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    desk
}

/// Lets apt read the list from the upstream, carries it, and lets apt read the site.
fn is_carried(desk: &Desk, file: &str, text: &str) {
    let control = AptClient::new("amd64");
    fs::write(control.path("etc/apt/sources.list.d").join(file), text).unwrap();
    control.apt_get("update");
    assert_eq!(candidate(&control, "hello"), "1.0-1");

    fs::write(desk.path("online").join(file), text).unwrap();
    desk.select(&format!("[[apt]]\nname = \"host\"\nsources = \"{file}\"\narchitectures = [\"amd64\"]\n"));
    desk.init(&["host-up"], "");
    desk.ferry();
    let client = super::client(desk, "host-up", "stable", "main");
    client.apt_get("update");
    assert_eq!(candidate(&client, "hello"), "1.0-1");
}

#[test]
fn quotes_and_keys_of_one_line_lists() {
    let desk = desk();
    let key = Keyring::parse(&ARCHIVE_KEY.public_binary().unwrap()).unwrap().fingerprints().remove(0);
    let signed_by = format!("{},{key}", desk.path("keyring.gpg").display());
    let text = format!("deb [signed-by={signed_by}] \"{}\" \"stable\" main # \"\n", desk.url("up"));
    is_carried(&desk, "host.list", &text);
}

#[test]
fn stanzas_that_are_turned_off_are_not_looked_at() {
    let desk = desk();
    let text = format!(
        "Types: deb\nURIs: {}\nSuites: stable\nComponents: main\nSigned-By: {}\n\n\
         Enabled: no\nTypes: deb\nURIs: cdrom:[x]/ http://a.invalid/$(ARCH)\nSuites: ./\nArchitectures-Remove: i386\n",
        desk.url("up"),
        desk.path("keyring.gpg").display()
    );
    is_carried(&desk, "host.sources", &text);
}

#[test]
fn suites_leave_out_unsupported_entries() {
    let desk = desk();
    let text = format!(
        "deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main\ndeb http://a.invalid ./\n\
         deb [signed-by={}] {} stable main\n",
        desk.path("keyring.gpg").display(),
        desk.url("up")
    );
    fs::write(desk.path("online/host.list"), text).unwrap();
    desk.select(
        "[[apt]]\nname = \"host\"\nsources = \"host.list\"\nsuites = [\"stable\"]\narchitectures = [\"amd64\"]\n",
    );
    desk.export("").ok();
}

#[test]
fn a_component_that_the_archive_lacks_is_left_out_as_by_apt() {
    let desk = desk();
    let url = desk.url("up").replace("file://", "copy:");
    let text = format!("deb [signed-by={}] {url} stable main contrib\n", desk.path("keyring.gpg").display());
    is_carried(&desk, "host.list", &text);
    let noted = desk.export("--dry-run --force").ok().err;
    assert!(noted.contains("has no component contrib for these architectures"), "{noted}");
    desk.select("[[apt]]\nname = \"host\"\nsources = \"host.list\"\ncomponents = [\"main\", \"contrib\"]\n");
    desk.export("--dry-run").says(Exit::Usage, &["has no component contrib"]);
}

/// Files that lie in a host's `trusted.gpg.d` and that apt cannot use either.
fn unusable_keys(folder: &Path) {
    let home = tempfile::tempdir().unwrap();
    let gpg = |arguments: &[&str]| {
        run(Command::new("gpg").arg("--homedir").arg(home.path()).args(["--batch", "--quiet", "--yes"]).args(arguments))
    };
    gpg(&["--passphrase", "", "--quick-gen-key", "Curve <curve@odd.invalid>", "brainpoolP256r1", "sign", "never"]);
    let out = folder.join("curve.gpg");
    gpg(&["--output", out.to_str().unwrap(), "--export", "Curve"]);
    fs::copy(home.path().join("pubring.kbx"), folder.join("keybox.gpg")).unwrap();
    fs::write(folder.join("empty.gpg"), "").unwrap();
    fs::write(folder.join("page.asc"), "<!DOCTYPE html><html><title>404 Not Found</title></html>\n").unwrap();
}

#[test]
fn unusable_files_among_the_trusted_keys_are_skipped_by_name() {
    let desk = desk();
    let trusted = desk.path("trusted");
    fs::create_dir(&trusted).unwrap();
    unusable_keys(&trusted);
    fs::write(trusted.join("archive.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    let text = format!("deb {} stable main\n", desk.url("up"));

    let control = AptClient::new("amd64");
    fs::write(control.path("etc/apt/sources.list"), &text).unwrap();
    for entry in fs::read_dir(&trusted).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), control.path("etc/apt/trusted.gpg.d").join(entry.file_name())).unwrap();
    }
    let updated = output(control.command("apt-get").arg("update"));
    let complaints = String::from_utf8_lossy(&updated.stderr).into_owned();
    assert!(updated.status.success() && complaints.contains("keybox.gpg"), "{complaints}");
    assert_eq!(candidate(&control, "hello"), "1.0-1");

    fs::write(desk.path("online/host.list"), text).unwrap();
    desk.select("[[apt]]\nname = \"host\"\nsources = \"host.list\"\narchitectures = [\"amd64\"]\n");
    let plan = Plan { instead: vec![("/etc/apt/trusted.gpg.d", trusted)], ..Plan::default() };
    let Some(cage) = Cage::new("the keys that a host trusts", &plan) else { return };
    let export = "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace";
    let exported = end(&mut cage.inside(&desk.command(export))).ok().err;
    for (file, reason) in [
        ("keybox.gpg", "keybox"),
        ("empty.gpg", "empty"),
        ("page.asc", "no \"-----BEGIN PGP PUBLIC KEY BLOCK-----\" line"),
        ("curve.gpg", "curve"),
    ] {
        let note = exported.lines().find(|line| line.contains(file)).unwrap_or_else(|| panic!("{file}: {exported}"));
        assert!(note.contains("skipped a file of keys") && note.contains(reason), "{note}");
    }
    desk.init(&["host-up"], "");
    desk.import(&desk.path("medium/dc1-base-000001")).ok();
    let client = super::client(&desk, "host-up", "stable", "main");
    client.apt_get("update");
    assert_eq!(candidate(&client, "hello"), "1.0-1");
}

/// apt takes these without a signature, or with one of a key that it does not know.
#[test]
fn options_that_pass_over_signatures_are_refused_with_a_way_on() {
    let desk = desk();
    let (url, key) = (desk.url("up"), desk.path("keyring.gpg"));
    let lists = |option: &str, value: &str| {
        let line = format!("deb [signed-by={} {option}={value}] {url} stable main\n", key.display());
        let stanza = format!(
            "Types: deb\nURIs: {url}\nSuites: stable\nComponents: main\nSigned-By: {}\n{option}: {value}\n",
            key.display()
        );
        [("host.list", line), ("host.sources", stanza)]
    };
    let export = |file: &str, text: &str| {
        fs::write(desk.path("online").join(file), text).unwrap();
        desk.select(&format!("[[apt]]\nname = \"host\"\nsources = \"{file}\"\narchitectures = [\"amd64\"]\n"));
        desk.export("--dry-run")
    };
    let gets = |file: &str, text: &str| {
        let control = AptClient::new("amd64");
        fs::write(control.path("etc/apt/sources.list.d").join(file), text).unwrap();
        control.apt_get("update");
        assert_eq!(candidate(&control, "hello"), "1.0-1", "{text}");
    };
    // A good signature is verified, whatever the entry says.
    for (file, text) in lists("trusted", "yes") {
        gets(file, &text);
        export(file, &text).ok();
    }
    let suite = desk.path("up/dists/stable");
    let signed = fs::read_to_string(suite.join("InRelease")).unwrap();
    let (_, release) = signed.split_once("\n\n").unwrap();
    let (release, _) = release.split_once("-----BEGIN PGP SIGNATURE").unwrap();
    fs::write(suite.join("Release"), release).unwrap();
    fs::remove_file(suite.join("InRelease")).unwrap();
    for option in ["trusted", "allow-insecure"] {
        for (file, text) in lists(option, "yes") {
            // apt 2.6 reads Allow-Insecure in one-line lists alone.
            if option == "trusted" || file == "host.list" {
                gets(file, &text);
            }
            let words = ["stable", &format!("({option})"), "local = \"FOLDER\"", "allow-unsigned", "signed by nobody"];
            export(file, &text).says(Exit::VerificationFailed, &words);
        }
        for (file, text) in lists(option, "no") {
            let refused =
                export(file, &text).says(Exit::VerificationFailed, &["signed by nobody", "local = \"FOLDER\""]);
            assert!(!refused.err.contains(option), "{}", refused.err);
        }
    }
    fs::remove_file(suite.join("Release")).unwrap();
    for (file, text) in lists("trusted", "yes") {
        export(file, &text).says(Exit::VerificationFailed, &["(trusted)", "local = \"FOLDER\"", "has no suite stable"]);
    }
}
