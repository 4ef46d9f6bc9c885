//! Failed commands leave nothing behind and name the true cause.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use gapferry::demo::upstream::{DebSpec, Upstream};
use gapferry::exit::Exit;

use crate::support::desk::{Desk, clean, end, names};

#[test]
fn a_failed_init_leaves_nothing() {
    let desk = Desk::new();
    let init = "site init site --name dc1 --builder online/builder.key.pub --keyring demo=";
    let before = names(&desk.path(""));
    desk.run(&format!("{init}missing.gpg")).says(Exit::Failed, &["cannot read missing.gpg"]);
    desk.run(&format!("{init}online/builder.key.pub")).says(Exit::VerificationFailed, &["builder.key.pub"]);
    assert_eq!(names(&desk.path("")), before);
    // Its folder is there, and cannot be replaced by a rename.
    fs::create_dir(desk.path("site")).unwrap();
    fs::set_permissions(desk.path("site"), fs::Permissions::from_mode(0o755)).unwrap();
    let mounted = "mount -t tmpfs none site && gapferry site init site --name dc1 --builder online/builder.key.pub";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "bash", "-c", mounted]).current_dir(desk.path(""));
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_gapferry")).parent().unwrap();
    command.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
    clean(&mut command);
    end(&mut command).says(Exit::Failed, &["cannot rename"]);
    assert!(!desk.path("site.part").exists());
}

#[test]
fn init_and_pin_take_the_site_both_ways() {
    let desk = Desk::new();
    fs::write(desk.path("keyring.gpg"), crate::support::desk::ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    let init = "--name dc1 --builder online/builder.key.pub";
    desk.run(&format!("site init --site one {init}")).ok();
    desk.run(&format!("site init two {init}")).ok();
    desk.run(&format!("site init three --site three {init}")).ok();
    desk.run(&format!("site init four --site five {init}")).says(Exit::Usage, &["four", "five", "give one of them"]);
    desk.run(&format!("site init {init}")).says(Exit::Usage, &["--site SITE"]);
    let pin = "--source demo --keyring keyring.gpg";
    for place in ["one", "--site one", "one --site one"] {
        desk.run(&format!("site pin {place} {pin}")).ok();
    }
    desk.run(&format!("site pin one --site two {pin}")).says(Exit::Usage, &["one", "two", "give one of them"]);
    end(desk.command(&format!("site pin {pin}")).env("GAPFERRY_SITE", "two")).ok();
    desk.run(&format!("site pin {pin}")).says(Exit::Usage, &["--site SITE"]);
}

#[test]
fn a_server_without_its_address_says_why() {
    let desk = Desk::new();
    desk.init(&[], "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let serve = |address: &str| desk.run(&format!("serve --site site --listen {address}"));
    serve(&address.to_string()).says(Exit::Usage, &["another server is there already"]);
    serve("192.0.2.1:0").says(Exit::Usage, &["this host does not have that address"]);
    // In a network of its own, where no port is for everybody, without the right to take one.
    let script = "echo 1024 >/proc/sys/net/ipv4/ip_unprivileged_port_start; ip link set lo up; \
                  exec setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service \
                  \"$0\" serve --site site --listen 127.0.0.1:80";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", script, env!("CARGO_BIN_EXE_gapferry")]);
    clean(command.current_dir(desk.path("")));
    let ended = end(&mut command).says(Exit::Usage, &["below 1024", "setcap cap_net_bind_service=+ep", "systemd"]);
    assert!(!ended.err.contains("another server"), "{}", ended.err);
}

/// A workspace that may not be looked into is not said to have made no bundle.
#[test]
fn an_unreadable_workspace_is_not_reported_as_absent() {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.bundle();
    fs::set_permissions(desk.path("online/workspace"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(desk.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let program = desk.path("gapferry");
    fs::copy(env!("CARGO_BIN_EXE_gapferry"), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    command.args(["confirm", "dc1-base-000001", "--workspace", "online/workspace"]);
    clean(command.current_dir(desk.path("")));
    let ended = end(&mut command).says(Exit::Failed, &["Permission denied"]);
    assert!(!ended.err.contains("made no bundle"), "{}", ended.err);
    fs::set_permissions(desk.path("online/workspace"), fs::Permissions::from_mode(0o755)).unwrap();
}
