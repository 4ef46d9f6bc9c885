//! A site and a workspace belong to one user. Others may read, and are told whom to run a command as.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use serde_json::json;

use super::rollback::{desk, publish};
use super::umask::as_nobody;
use crate::apt_client::run;
use crate::support::desk::{Desk, clean, end};
use crate::support::world::gapferry;

/// A user of nobody's.
const OWNER: &str = "4711";

/// `sudo -u '#ID' COMMAND…`, as far as the messages need it.
const SUDO: &str = "#!/bin/sh\nid=${2#?} && shift 2 && exec setpriv --reuid=$id --regid=$id --clear-groups -- \"$@\"\n";

/// A desk whose site and workspace belong to [`OWNER`], with the program in a place that this user can reach.
fn owned() -> Desk {
    let desk = desk();
    desk.ferry();
    publish(&desk, "2.0-1", "First");
    fs::create_dir(desk.path("bin")).unwrap();
    fs::write(desk.path("bin/sudo"), SUDO).unwrap();
    fs::copy(gapferry(), desk.path("bin/gapferry")).unwrap();
    fs::set_permissions(desk.path("bin/sudo"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(desk.path(""), Permissions::from_mode(0o755)).unwrap();
    let mut chown = Command::new("chown");
    run(chown.args(["-R", OWNER]).args(["site", "online", "medium"].map(|folder| desk.path(folder))));
    desk
}

fn in_bin(desk: &Desk, command: &mut Command) {
    clean(command);
    let path = format!("{}:{}", desk.path("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).current_dir(desk.path(""));
}

/// The files below a folder that are not the owner's.
fn others(folder: &Path) -> String {
    run(Command::new("find").arg(folder).args(["-not", "-user", OWNER]))
}

#[test]
fn commands_of_another_user_say_whom_to_run_them_as() {
    let desk = owned();
    let export = "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace";
    for arguments in [
        export,
        "import medium/dc1-base-000002 --site site",
        "rollback --site site",
        "gc --site site --keep 1",
        "receipt --site site",
        "site check --repair --site site",
        "site pin --site site --source demo --keyring keyring.gpg --replace",
        "gc --workspace online/workspace",
    ] {
        let mut command = Command::new("gapferry");
        in_bin(&desk, command.args(arguments.split_whitespace()));
        let ended = end(&mut command);
        let printed = format!("sudo -u '#{OWNER}' gapferry {arguments}");
        assert!(ended.err.contains(&printed), "{arguments}: {}", ended.err);
        ended.says(Exit::Failed, &[&format!("belongs to the user {OWNER}")]);
        assert_eq!(others(&desk.path("site")) + &others(&desk.path("online")), "", "{arguments}");
        // And the command works as printed, where there is something to do.
        if arguments.starts_with("export") || arguments.starts_with("import") {
            let mut command = Command::new("sh");
            in_bin(&desk, command.args(["-c", &printed]));
            end(&mut command).ok();
            assert_eq!(others(&desk.path("site")) + &others(&desk.path("online")), "", "{printed}");
        }
    }
}

#[test]
fn reading_commands_need_no_secret_key() {
    let desk = owned();
    let own = desk.run("status --site site --json").ok().json();
    let shown = end(&mut as_nobody(&desk, "status --site site --json")).ok().json();
    assert_eq!((&shown["key"], &shown["names"]), (&own["key"], &own["names"]));
    assert_eq!((&own["hidden"], &shown["hidden"]), (&json!([]), &json!(["waiting", "refused"])));
    let words = end(&mut as_nobody(&desk, "status --site site")).ok().out;
    assert!(words.contains("not shown, since this user may not read it: waiting, refused"), "{words}");
    for arguments in [
        "site check --site site",
        "setup nginx --site site --serve-url http://gap.example",
        "setup apt --site site --serve-url http://gap.example",
        "verify medium/dc1-base-000001 --site site",
        "inspect medium/dc1-base-000001",
    ] {
        end(&mut as_nobody(&desk, arguments)).ok();
    }
}
