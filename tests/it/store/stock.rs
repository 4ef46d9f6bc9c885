//! The stock `snap` program as a client: it reads all that the store says, and refuses it for nothing but its root.

use std::process::Command;

use gapferry::formats::assertions::Sha3;

use super::fixture::desk;
use crate::support::desk::{Desk, Ended, Serving, end};
use crate::support::snaps::{snap, snap_id};

pub(crate) fn client(desk: &Desk, serving: &Serving, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", serving.address);
    let mut command = Command::new("snap");
    command.args(arguments).current_dir(desk.path("medium")).env("HOME", desk.path("medium")).env("LC_ALL", "C.UTF-8");
    command.env("SNAPPY_FORCE_API_URL", &url).env("SNAPPY_FORCE_SAS_URL", &url).env("UBUNTU_STORE_ARCH", "amd64");
    end(&mut command)
}

#[test]
fn stock_snap_reads_the_assertions() {
    let desk = desk();
    let serving = desk.serve();
    let digest = format!("snap-sha3-384={}", Sha3::of(&snap("words", 3)));
    let ended = client(&desk, &serving, &["known", "--remote", "snap-revision", &digest]).ok();
    assert!(ended.out.contains(&format!("snap-id: {}\n", snap_id("words"))), "{}", ended.out);
    let id = format!("snap-id={}", snap_id("words"));
    let ended = client(&desk, &serving, &["known", "--remote", "snap-declaration", "series=16", &id]).ok();
    assert!(ended.out.contains("snap-name: words\n"), "{}", ended.out);
    let ended = client(&desk, &serving, &["known", "--remote", "account", "account-id=nobody"]);
    assert!(ended.code != 0 && ended.err.contains("not found"), "{}", ended.err);
}

#[test]
fn stock_snap_downloads_and_then_misses_its_own_root() {
    let desk = desk();
    let serving = desk.serve();
    let ended = client(&desk, &serving, &["download", "words", "--channel=edge"]);
    assert_ne!(ended.code, 0, "stock snap trusts the tests' root: {}", ended.out);
    assert!(ended.err.contains("testsuite"), "{}", ended.err);
    let bytes = std::fs::read(desk.path("medium/words_5.snap")).expect("the download comes before the assertions");
    assert!(bytes == snap("words", 5));
    for (arguments, words) in [
        (&["download", "nothing"][..], "cannot download snap \"nothing\": snap not found"),
        (&["download", "words", "--revision=99"], "no snap revision available"),
        (&["download", "large", "--channel=3/stable"], "no snap revision available"),
    ] {
        let ended = client(&desk, &serving, arguments);
        assert!(ended.code != 0 && ended.err.contains(words), "{}", ended.err);
    }
}

/// A daemon and a store in namespaces of their own, which vanish with the script.
const SCRIPT: &str = r#"set -u
cd "$1"
ip link set lo up 2>/dev/null || python3 -c '
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x41))'
for folder in /var/lib/snapd /var/cache/snapd /run /etc/systemd/system; do mount -t tmpfs none $folder || exit 9; done
"$2" serve --site site --listen 127.0.0.1:8099 2>serve.log &
export SNAPPY_FORCE_API_URL=http://127.0.0.1:8099
SNAPD_STANDBY_WAIT=10m SNAP_REEXEC=0 SNAPD_DEBUG=1 /usr/lib/snapd/snapd 2>snapd.log &
for try in $(seq 300); do [ -S /run/snapd.socket ] && break; sleep 0.1; done
snap find large >find 2>&1
snap info --verbose words >info 2>&1
snap info nothing >info-nothing 2>&1
timeout 60 snap install core-gap >install 2>&1
cat snapd.log >&2
"#;

#[test]
fn stock_snapd_finds_describes_and_downloads() {
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new("unshare").args(namespaces).args(["mount", "-t", "tmpfs", "none", "/run"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: stock snapd as a client, since this user cannot have namespaces");
        return;
    }
    let desk = desk();
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["sh", "-c", SCRIPT, "sh"]).arg(desk.path("")).arg(env!("CARGO_BIN_EXE_gapferry"));
    let log = end(&mut command).err;
    let said = |file: &str| std::fs::read_to_string(desk.path(file)).unwrap_or_else(|e| panic!("{file}: {e}: {log}"));
    for (file, words) in [
        ("find", &["large", "11.0", "gap-publisher", "large in one line"][..]),
        (
            "info",
            &["publisher: Gap (gap-publisher", "latest/stable:    3.0 2025-01-01 (3) 135kB", "latest/edge:      ^"],
        ),
        ("info-nothing", &["no snap found for \"nothing\""]),
        // The download was well, and so is all that is said of it but for who says it.
        ("install", &["account (testsuite) not found"]),
        ("snapd.log", &["Catalog refresh succeeded"]),
    ] {
        let text = said(file);
        words.iter().for_each(|word| assert!(text.contains(word), "{file}: {word:?} is not in: {text}\n{log}"));
    }
}
