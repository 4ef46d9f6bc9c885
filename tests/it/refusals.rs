//! Failed commands leave nothing behind and name the true cause.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use crate::support::desk::{Desk, clean, end, names};

#[test]
fn a_failed_init_leaves_nothing() {
    let desk = Desk::new();
    let init = "site init site --name dc1 --builder online/builder.key.pub --keyring demo=";
    let before = names(&desk.path(""));
    desk.run(&format!("{init}missing.gpg")).says(Exit::Usage, &["cannot read missing.gpg"]);
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

/// Tables of a selection that name a file or folder `gone`.
const TABLES: [&str; 9] = [
    "[[apt]]\nname = \"a\"\nurl = \"http://127.0.0.1:1/\"\nsuites = [\"s\"]\ncomponents = [\"main\"]\n\
     architectures = [\"amd64\"]\nkeyring = \"gone\"\n",
    "[[apt]]\nname = \"a\"\nsources = \"gone\"\n",
    "[[apt]]\nname = \"a\"\nlocal = \"gone\"\n",
    "[[images]]\nname = \"i\"\nurl = \"http://127.0.0.1:1/\"\nkeyring = \"gone\"\n",
    "[[yum]]\nname = \"y\"\nurl = \"http://127.0.0.1:1/\"\nkeyring = \"gone\"\n",
    "[[snaps]]\nfrom = \"gone\"\n",
    "[[files]]\nname = \"f\"\nfrom = \"gone\"\n",
    "[[os-images]]\nfrom = \"gone\"\nos = \"custom\"\nrelease = \"own\"\narchitecture = \"amd64\"\n\
     filetype = \"tgz\"\ntitle = \"Own\"\nversion = \"1\"\n",
    "[[enterprise-store]]\nexports = \"gone/*.tar.gz\"\n",
];

/// Command lines that do.
const LINES: [&str; 21] = [
    "export gone --out medium --workspace online/workspace --key online/builder.key",
    "export online/selection.toml --out medium --workspace online/workspace --key gone",
    "export online/selection.toml --out medium --workspace online/workspace --key online/builder.key \
     --passphrase-file gone",
    "export online/selection.toml --out medium --workspace online/workspace --key online/builder.key --ca-file gone",
    "keygen other --passphrase-file gone",
    "site init other --name dc1 --builder gone",
    "site init other --name dc1 --builder online/builder.key.pub --keyring demo=gone",
    "site pin --site site --source demo --keyring gone",
    "store-assertion --site site gone",
    "verify medium --builder gone",
    "verify gone --builder online/builder.key.pub",
    "inspect gone",
    "import gone --site site",
    "status --site gone",
    "confirm --workspace online/workspace --receipt gone",
    "recut gone --workspace online/workspace --out medium",
    "list-images http://127.0.0.1:1/ --keyring gone",
    "list-images http://127.0.0.1:1/ --keyring keyring.gpg --ca-file gone",
    "serve --site site --tls-listen 127.0.0.1:0 --tls-cert gone --tls-key gone",
    "serve --site site --listen 127.0.0.1:0 --access-log gone/log",
    "maas apply --site site --url http://127.0.0.1:1/ --api-key-file gone --serve-url http://g.invalid",
];

#[test]
fn a_missing_file_is_the_fault_of_who_names_it() {
    let desk = Desk::new();
    desk.select(TABLES[0]);
    desk.init(&[], "");
    let mut wrong = Vec::new();
    let mut check = |what: &str, ended: crate::support::desk::Ended| {
        if ended.code != i32::from(Exit::Usage.code()) || !ended.err.contains("gone") {
            wrong.push(format!("{what}: exit {}: {}", ended.code, ended.err));
        }
    };
    for table in TABLES {
        desk.select(table);
        check(table, desk.export(""));
    }
    for line in LINES {
        check(line, desk.run(line));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
