//! The algorithms of the site's key, judged by the verifiers of old and new clients.

use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use super::{client, client_with_keyring};
use crate::apt_client::run;
use crate::support::desk::{ARCHIVE_KEY, Desk, at_clock, end};

/// A desk whose site has the key that `more` asks for, and publishes two archives.
fn desk(more: &str) -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    let mut other = Upstream::new("Other", &["amd64"]);
    other.add("stable", "main", DebSpec::new("other", "1.0-1", "amd64"));
    desk.archive("up-other", &mut other, &["stable"]);
    let table = |name, archive| desk.table(name, &desk.url(archive), "stable main amd64", "");
    desk.select(&(table("demo", "up") + &table("other", "up-other")));
    desk.init(&["demo", "other"], more);
    desk.ferry();
    desk
}

/// Runs `program`, which takes gpgv's arguments, on the published InRelease.
fn verify(desk: &Desk, program: &str) -> bool {
    let mut gpgv = Command::new(program);
    gpgv.arg("--keyring").arg(desk.path("site/current/keys/site.gpg"));
    gpgv.arg(desk.path("site/current/apt/demo/dists/stable/InRelease"));
    end(&mut gpgv).code == 0
}

#[test]
fn gnupg_1_reads_an_rsa_site_and_not_an_ed25519_one() {
    for (more, old) in [("--key-algorithm rsa4096", true), ("", false)] {
        let desk = desk(more);
        assert_eq!((verify(&desk, "gpgv"), verify(&desk, "gpgv1")), (true, old), "{more}");
        let client = client(&desk, "demo", "stable", "main");
        client.apt_get("update");
        assert_eq!(client.would_install("hello"), ["hello"]);
        let keys = run(Command::new("gpg")
            .args(["--show-keys", "--with-colons"])
            .arg(desk.path("site/current/keys/site.asc")));
        let key = if old { "pub:-:4096:1:" } else { "pub:-:255:22:" };
        assert!(keys.starts_with(key), "{keys}");
        // Receipts are signed by the same key, and read on the other side.
        desk.run("receipt --site site --out receipt.txt").ok();
        desk.run("confirm --receipt receipt.txt --site-key site/current/keys/site.asc --workspace online/workspace")
            .ok();
    }
}

#[test]
fn keybox_is_named_with_the_command_that_exports_it() {
    let desk = Desk::new();
    std::fs::write(desk.path("up.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    let gpg = |arguments: &str| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(desk.path("")).args(arguments.split_whitespace()).current_dir(desk.path(""));
        run(&mut gpg)
    };
    gpg("--quiet --batch --no-default-keyring --keyring ./pinned.gpg --import up.gpg");
    assert_eq!(&std::fs::read(desk.path("pinned.gpg")).unwrap()[8..12], b"KBXf");
    let init = "site init site --name dc1 --builder online/builder.key.pub --keyring demo=pinned.gpg";
    let command = "gpg --no-default-keyring --keyring ./pinned.gpg --export --output keys.pgp";
    desk.run(init).says(Exit::VerificationFailed, &["pinned.gpg is not a usable", "a GnuPG keybox", command]);
    let listed = format!("list-images {} --keyring pinned.gpg", desk.url("none"));
    desk.run(&listed)
        .says(Exit::VerificationFailed, &["pinned.gpg is not a usable keyring", "a GnuPG keybox", command]);
    gpg(command.strip_prefix("gpg ").unwrap());
    desk.run(&init.replace("pinned.gpg", "keys.pgp")).ok();
}

/// A file with one of the keys that the site publishes, by its fingerprint.
fn one_key(desk: &Desk, fingerprint: &str) -> std::path::PathBuf {
    let path = desk.path(&format!("{fingerprint}.gpg"));
    let gpg = |arguments: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(desk.path("gpg-home")).args(["--quiet", "--batch"]).args(arguments);
        run(gpg.current_dir(desk.path("")))
    };
    std::fs::create_dir_all(desk.path("gpg-home")).unwrap();
    gpg(&["--import", "site/current/keys/site.gpg"]);
    gpg(&["--output", path.to_str().unwrap(), "--export", fingerprint]);
    path
}

/// Returns the version of the package that a new apt with this keyring finds; `None` if it does not take the site's metadata.
fn seen_with(desk: &Desk, keyring: &Path) -> Option<String> {
    let client = client_with_keyring(desk, keyring);
    let ended = end(client.command("apt-get").args(["update", "-o", "APT::Update::Error-Mode=any"]));
    (ended.code == 0).then(|| super::candidate(&client, "hello"))
}

/// Carries the next version to the site, whose clock is `clock`.
fn ferry_at(desk: &Desk, version: &str, clock: &str) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    let import = desk.command(&format!("import {} --site site", desk.bundle().display()));
    end(&mut at_clock(&import, clock)).ok();
}

#[test]
fn clients_with_the_old_key_and_with_the_new_one_follow_a_rotation() {
    let desk = desk("");
    let rotated = desk.run("site rotate-key --site site --days 2 --json").ok().json();
    let [old, new] = ["old", "new"].map(|key| one_key(&desk, rotated[key].as_str().unwrap()));
    let both = desk.path("site/current/keys/site.gpg");
    let hello = |version: &str| Some(version.to_owned());
    assert_eq!(
        [&old, &new, &both].map(|keyring| seen_with(&desk, keyring)),
        [hello("1.0-1"), hello("1.0-1"), hello("1.0-1")]
    );
    ferry_at(&desk, "2.0-1", "+0s");
    assert_eq!([&old, &new].map(|keyring| seen_with(&desk, keyring)), [hello("2.0-1"), hello("2.0-1")]);
    assert!(verify(&desk, "gpgv"), "gpgv with the published keyring");
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("both sign until"), "{status}");
    desk.run("site rotate-key --site site").says(Exit::Usage, &["is being replaced", "--finish"]);
    desk.run("receipt --site site --out receipt.txt").ok();

    desk.run("site rotate-key --site site --finish").ok();
    assert_eq!([&old, &new].map(|keyring| seen_with(&desk, keyring)), [None, hello("2.0-1")]);
    assert!(!desk.path("site/keys/next.pgp").exists(), "the old key is gone");
    let status = desk.run("status --site site --json").ok().json();
    assert_eq!((&status["key"], &status["rotation"]), (&rotated["new"], &serde_json::Value::Null));
    desk.run("site rotate-key --site site --finish").says(Exit::Usage, &["no other key"]);
}

#[test]
fn the_first_import_after_the_set_time_ends_a_rotation() {
    let desk = desk("");
    let rotated = desk.run("site rotate-key --site site --days 1 --json").ok().json();
    let [old, new] = ["old", "new"].map(|key| one_key(&desk, rotated[key].as_str().unwrap()));
    ferry_at(&desk, "2.0-1", "+25h");
    // The clients' clocks are those of the site.
    let gpgv = |keyring: &Path, archive: &str| {
        let mut gpgv = Command::new("gpgv");
        let release = desk.path(&format!("site/current/apt/{archive}/dists/stable/InRelease"));
        end(&mut at_clock(gpgv.arg("--keyring").arg(keyring).arg(release), "+25h")).code
    };
    // Nothing of the other archive has changed, and it is signed again too.
    for archive in ["demo", "other"] {
        assert_eq!((gpgv(&old, archive), gpgv(&new, archive)), (2, 0), "{archive}");
    }
    assert!(!desk.path("site/keys/next.pgp").exists());
}

#[test]
fn a_stolen_key_is_replaced_at_once() {
    let desk = desk("");
    let rotated = desk.run("site rotate-key --site site --now --key-algorithm rsa4096 --json").ok().json();
    assert_eq!(rotated["both_sign"], false);
    assert!(verify(&desk, "gpgv") && verify(&desk, "gpgv1"));
}
