//! Stock snapd, asked whether it takes assertions. Needs root, for a daemon in namespaces of its own.

use std::process::Command;

/// What stock snapd says of one stream.
#[derive(Debug)]
pub(crate) struct Says {
    pub(crate) accepts: bool,
    /// Its words.
    pub(crate) words: String,
}

/// A daemon that knows nothing yet, no network, and folders that vanish with it. It ends with the script.
const SCRIPT: &str = r#"set -u
cd "$1"
for folder in /var/lib/snapd /var/cache/snapd /run /etc/systemd/system; do mount -t tmpfs none $folder || exit 9; done
SNAPD_STANDBY_WAIT=10m SNAP_REEXEC=0 /usr/lib/snapd/snapd 2>log &
for try in $(seq 300); do [ -S /run/snapd.socket ] && break; sleep 0.1; done
for stream in case-*; do
    if snap ack $stream 2>words-$stream; then touch good-$stream; fi
done
"#;

/// What `snap ack` says to one daemon of each of `streams`; nothing where no daemon can be started. A stream that is accepted is
/// known to the daemon from then on, one that is refused is not.
pub(crate) fn ack(streams: &[Vec<u8>]) -> Option<Vec<Says>> {
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new("unshare").args(namespaces).args(["mount", "-t", "tmpfs", "none", "/run"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: stock snapd as the judge, since this user cannot have namespaces");
        return None;
    }
    let has = |program: &str| std::path::Path::new(program).exists();
    assert!(has("/usr/bin/snap") && has("/usr/lib/snapd/snapd"), "no snapd; tests/run installs it");
    // Below /var/tmp: the daemon's namespace hides /run, and /tmp may be private to it.
    let dir = tempfile::Builder::new().prefix("gf").tempdir_in("/var/tmp").expect("temporary folder");
    for (at, stream) in streams.iter().enumerate() {
        std::fs::write(dir.path().join(format!("case-{at:03}")), stream).expect("write");
    }
    let output = Command::new("unshare").args(namespaces).args(["sh", "-c", SCRIPT, "sh"]).arg(dir.path()).output();
    let output = output.expect("unshare");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("mount:"), "{errors}");
    let says = (0..streams.len()).map(|at| {
        let words = dir.path().join(format!("words-case-{at:03}"));
        let words = std::fs::read_to_string(words).unwrap_or_else(|error| panic!("case {at}: {error}: {errors}"));
        assert!(!words.contains("cannot communicate with server"), "{words}");
        Says { accepts: dir.path().join(format!("good-case-{at:03}")).exists(), words }
    });
    Some(says.collect())
}
