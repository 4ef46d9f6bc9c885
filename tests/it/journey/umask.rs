//! Under any umask, what others must read can be read, and what is private stays private.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;

use super::rollback::{desk, publish};
use crate::apt_client::run;
use crate::support::desk::{Desk, Ended, Serving, end};
use crate::support::world::gapferry;

/// Runs the program under a umask.
fn under(desk: &Desk, umask: &str, arguments: &str) -> Ended {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("umask {umask} && exec '{}' {arguments}", gapferry().display()));
    command.env_remove("GAPFERRY_SITE").env_remove("GAPFERRY_WORKSPACE").current_dir(desk.path(""));
    end(&mut command)
}

/// The program as the user who serves, from a place that this user can reach.
pub(super) fn as_nobody(desk: &Desk, arguments: &str) -> Command {
    let program = desk.path("program");
    if !program.exists() {
        fs::copy(gapferry(), &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(desk.path(""), Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    command.args(arguments.split_whitespace()).current_dir(desk.path("")).env_remove("GAPFERRY_SITE");
    command
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Fails unless every folder below `root` has the mode 755, and every file one of `files`.
fn all_is_public(root: &Path, files: &[u32]) {
    let entries: Vec<_> = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap).collect();
    assert!(entries.len() > 2, "{entries:?}");
    for entry in entries.iter().filter(|entry| !entry.path_is_symlink()) {
        let expected = if entry.file_type().is_dir() { &[0o755][..] } else { files };
        assert!(expected.contains(&mode(entry.path())), "{:o} {}", mode(entry.path()), entry.path().display());
    }
}

fn others_can_read(umask: &str) {
    let desk = desk();
    fs::remove_dir_all(desk.path("site")).unwrap();
    under(&desk, umask, "site init site --name dc1 --builder online/builder.key.pub --keyring demo=keyring.gpg").ok();
    for version in ["1.0-1", "2.0-1"] {
        publish(&desk, version, "First");
        let export = "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace";
        under(&desk, umask, export).ok();
    }
    let bundle = |number: u32| -> PathBuf { desk.path(&format!("medium/dc1-base-00000{number}")) };
    all_is_public(&bundle(1), &[0o644]);
    for number in 1..=2 {
        under(&desk, umask, &format!("import {} --site site", bundle(number).display())).ok();
    }
    under(&desk, umask, "rollback --site site").ok();
    under(&desk, umask, "setup apt --site site --serve-url http://gap.example --out texts/").ok();

    for folder in ["site", "site/trust", "site/trust/keyrings", "site/generations"] {
        assert_eq!(mode(&desk.path(folder)), 0o755, "{folder}");
    }
    all_is_public(&desk.path("site/generations"), &[0o444, 0o644]);
    all_is_public(&desk.path("site/trust"), &[0o644]);
    all_is_public(&desk.path("texts"), &[0o644]);
    assert_eq!(mode(&desk.path("site/site.toml")), 0o644);
    for private in ["site/keys", "site/waiting", "site/refused"] {
        assert_eq!(mode(&desk.path(private)), 0o700, "{private}");
    }
    assert_eq!(mode(&desk.path("site/keys/site.pgp")), 0o600);

    let serving = Serving::start(as_nobody(&desk, "serve --site site --listen 127.0.0.1:0"));
    let url = format!("http://{}/apt/demo/dists/stable/InRelease", serving.address);
    let served = run(Command::new("curl").args(["--fail", "--silent", "--show-error", "--noproxy", "*"]).arg(url));
    assert_eq!(served.into_bytes(), fs::read(desk.path("site/current/apt/demo/dists/stable/InRelease")).unwrap());
    end(&mut as_nobody(&desk, &format!("verify {} --site site", bundle(2).display()))).ok();
}

#[test]
fn others_can_read_what_is_made_under_umask_027() {
    others_can_read("027");
}

#[test]
fn others_can_read_what_is_made_under_umask_077() {
    others_can_read("077");
}

#[test]
fn denied_access_is_reported_as_such() {
    let desk = desk();
    desk.ferry();
    let refused = |arguments: &str| {
        let ended = end(&mut as_nobody(&desk, arguments));
        assert!(!ended.err.contains("is not a site") && !ended.err.contains("nothing is published"), "{}", ended.err);
        ended.says(Exit::Failed, &["Permission denied"]);
    };
    let close = |path: &str| fs::set_permissions(desk.path(path), Permissions::from_mode(0o700)).unwrap();
    close("site/generations/1/apt/demo");
    refused("serve --site site --listen 127.0.0.1:0");
    close("site/generations");
    refused("serve --site site --listen 127.0.0.1:0");
    close("site");
    for command in
        ["serve", "status", "rollback", "gc", "receipt", "site check", "setup dns --for dnsmasq --address 10.0.0.5"]
    {
        refused(&format!("{command} --site site"));
    }
    close("medium/dc1-base-000001");
    refused("inspect medium/dc1-base-000001");
    refused("verify medium/dc1-base-000001 --builder online/builder.key.pub");
    close("online/workspace");
    refused("gc --workspace online/workspace");
}
