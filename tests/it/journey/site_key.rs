//! The algorithms of the site's key, judged by the verifiers of old and new clients.

use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use super::client;
use crate::apt_client::run;
use crate::support::desk::{ARCHIVE_KEY, Desk, end};

/// A desk whose site has the key that `more` asks for, and publishes one suite.
fn desk(more: &str) -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], more);
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
