//! Loose files, from a folder to whoever asks for them.

use std::fs;
use std::os::unix::fs::symlink;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;

use crate::apt_client::output;
use crate::kill::strace::traced;
use crate::serve::fetch;
use crate::support::desk::{Desk, at_clock, ended};
use crate::support::server::{Fault, Server, Times};

#[test]
fn files_are_published_as_they_are() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("online/iso/deep")).unwrap();
    for (path, text) in [("iso/a.iso", "a"), ("iso/deep/b", "b"), ("one.txt", "one"), ("x.rpm", "x"), ("y.rpm", "y")] {
        fs::write(desk.path("online").join(path), text).unwrap();
    }
    fs::create_dir(desk.path("up")).unwrap();
    fs::write(desk.path("up/far.bin"), "far").unwrap();
    let server = Server::start(&desk.path("up"));
    let table = |more: String| format!("[[files]]\nname = \"tools\"\n{more}\n");
    desk.select(
        &[
            table("from = \"iso\"".to_owned()),
            table("from = \"one.txt\"\nto = \"docs\"".to_owned()),
            table("from = \"*.rpm\"\nto = \"rpms\"".to_owned()),
            table(format!("url = \"{}\"\nsha256 = \"{}\"", server.url("far.bin"), Sha256::of(b"far"))),
        ]
        .concat(),
    );
    desk.init(&[], "--allow-unsigned tools");
    desk.ferry();
    let serving = desk.serve();
    for (path, text) in [
        ("a.iso", "a"),
        ("deep/b", "b"),
        ("docs/one.txt", "one"),
        ("rpms/x.rpm", "x"),
        ("rpms/y.rpm", "y"),
        ("far.bin", "far"),
    ] {
        assert_eq!(fetch(&serving, &format!("/files/tools/{path}")), (200, text.as_bytes().to_vec()), "{path}");
    }
    // A file may change under its name, and one that is not there any more goes.
    fs::write(desk.path("online/one.txt"), "two").unwrap();
    fs::remove_file(desk.path("online/x.rpm")).unwrap();
    drop(server); // what was fetched before is not asked for again
    desk.ferry();
    assert_eq!(fetch(&serving, "/files/tools/docs/one.txt"), (200, b"two".to_vec()));
    assert!(!desk.path("site/current/files/tools/rpms/x.rpm").exists());
    desk.export("").says(Exit::NothingNew, &[]);
}

#[test]
fn what_cannot_be_carried_is_named() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("online/folder/deep")).unwrap();
    fs::write(desk.path("online/folder/good"), "good").unwrap();
    let from = |text: &str| desk.select(&format!("[[files]]\nname = \"tools\"\nfrom = \"{text}\"\n"));
    from("folder");
    for name in [".hidden", "with space", "deep/-rf", "caf\u{e9}"] {
        let path = desk.path("online/folder").join(name);
        fs::write(&path, "x").unwrap();
        desk.export("").says(Exit::Usage, &["cannot be carried under its name", name.rsplit('/').next().unwrap()]);
        fs::remove_file(path).unwrap();
    }
    symlink("/etc/hostname", desk.path("online/folder/deep/link")).unwrap();
    desk.export("").says(Exit::Usage, &["deep/link is a symbolic link that leads out of its folder"]);
    fs::remove_file(desk.path("online/folder/deep/link")).unwrap();
    std::os::unix::net::UnixListener::bind(desk.path("online/folder/socket")).unwrap();
    desk.export("").says(Exit::Usage, &["socket is a pipe, socket or device"]);
    fs::remove_file(desk.path("online/folder/socket")).unwrap();
    from("gone-*");
    desk.export("").says(Exit::Usage, &["there is no file", "gone-*"]);
    fs::write(desk.path("online/good"), "other").unwrap();
    desk.select("[[files]]\nname = \"tools\"\nfrom = \"folder\"\n[[files]]\nname = \"tools\"\nfrom = \"good\"\n");
    desk.export("").says(Exit::Usage, &["two different files would be published as good"]);
    desk.select(
        "[[files]]\nname = \"tools\"\nfrom = \"folder\"\n[[files]]\nname = \"tools\"\nfrom = \"good\"\nto = \"good\"\n",
    );
    desk.export("").says(Exit::Usage, &["good would be both a file and a folder"]);
}

#[test]
fn a_server_that_tells_no_length_or_another_file() {
    let desk = Desk::new();
    fs::create_dir(desk.path("up")).unwrap();
    fs::write(desk.path("up/far.bin"), "far").unwrap();
    let server = Server::start(&desk.path("up"));
    let select = |sum: Sha256| {
        desk.select(&format!("[[files]]\nname = \"tools\"\nurl = \"{}\"\nsha256 = \"{sum}\"\n", server.url("far.bin")));
    };
    select(Sha256::of(b"near"));
    desk.export("").says(Exit::VerificationFailed, &["far.bin"]);
    select(Sha256::of(b"far"));
    server.fault("far.bin", Times::ALWAYS, Fault::ChunkedExtra(0));
    desk.export("").says(Exit::UpstreamUnavailable, &["does not say how large it is"]);
    server.heal("far.bin");
    let planned = desk.export("--dry-run --json").ok().json();
    assert_eq!((&planned["selected"]["bytes"], &planned["selected"]["files"]), (&3.into(), &1.into()));
    desk.export("").ok();
    server.fault("gone.bin", Times::ALWAYS, Fault::Status(404, vec![]));
    desk.select(&format!(
        "[[files]]\nname = \"t\"\nurl = \"{}\"\nsha256 = \"{}\"\n",
        server.url("gone.bin"),
        Sha256::of(b"")
    ));
    desk.export("").says(Exit::UpstreamUnavailable, &["gone.bin"]);
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let desk = Desk::new();
    let (file, log) = (desk.path("online/large.iso"), desk.path("log"));
    desk.select("[[files]]\nname = \"tools\"\nfrom = \"large.iso\"\n");
    let is_read_at = |clock: &str, more: &str, exit: Exit| {
        let export = desk.command(&format!(
            "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace {more}"
        ));
        let traced = output(&mut traced(&at_clock(&export, clock), &["-o", log.to_str().unwrap()]));
        ended(&traced).says(exit, &[]);
        fs::read_to_string(&log).unwrap().contains("large.iso\", O_RDONLY")
    };
    fs::write(&file, "one").unwrap();
    // What has only just changed could change again without showing it, and is not noted before it has aged.
    let is_read = |more: &str, exit: Exit| is_read_at("+0s", more, exit);
    let age = || assert!(is_read_at("+10s", "", Exit::NothingNew));
    assert!(is_read("", Exit::Done));
    age();
    for more in ["", "--dry-run"] {
        assert!(!is_read_at("+10s", more, Exit::NothingNew), "{more}");
    }
    assert!(is_read("--full", Exit::NothingNew), "--full reads everything");
    // The same size and the same time of modification.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "two").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    assert!(is_read("", Exit::Done));
    age();
    assert!(!is_read_at("+10s", "", Exit::NothingNew));
    // The digest is known, but the bytes are gone.
    let digest = Sha256::of(b"two").to_hex();
    fs::remove_file(desk.path("online/workspace/depot/sha256").join(&digest[..2]).join(&digest)).unwrap();
    assert!(is_read("", Exit::NothingNew));
}
