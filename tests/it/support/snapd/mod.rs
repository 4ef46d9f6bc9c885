//! snapd in a cage, with no systemd: Debian's, or one that trusts the tests' own root.
//!
//! ```ignore
//! let Some(cage) = snapd::cage(Build::TrustsTests, &[]) else { return };
//! let _server = shop::serve(&cage, &desk, "--listen 127.0.0.1:80");
//! let snapd = Snapd::start(cage, Some("http://127.0.0.1"));
//! snapd.snap("install gapword").ok();
//! ```

mod shims;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::cage::{Cage, Plan};
use super::desk::{Ended, clean, end};
use super::skip::{Needs, skip};

/// Which snapd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// Debian's. It trusts Canonical's root alone.
    Stock,
    /// What `tests/install-snapd` has built. It trusts the root of the tests' own store too.
    TrustsTests,
}

/// What snapd and the snaps write to.
const FOLDERS: [&str; 8] = [
    "/var/lib/snapd",
    "/var/cache/snapd",
    "/var/snap",
    "/snap",
    "/run",
    "/etc/systemd/system",
    "/etc/systemd/user",
    "/etc/udev/rules.d",
];
const SNAP: &str = "/usr/bin/snap";
const SNAPD: &str = "/usr/lib/snapd/snapd";

/// A cage for a [`Snapd`] of this build, in which these hosts are this machine; nothing, said loudly, where there can be none.
pub(crate) fn cage(build: Build, hosts: &[&str]) -> Option<Cage> {
    assert!([SNAP, SNAPD].iter().all(|program| Path::new(program).exists()), "no snapd; tests/run installs it");
    let texts = vec![
        ("/etc/hosts", format!("127.0.0.1 localhost {}\n", hosts.join(" "))),
        // Snaps that run have a folder in each user's home.
        ("/etc/passwd", "root:x:0:0:root:/var/snap/home:/bin/sh\n".to_owned()),
    ];
    let instead = match build {
        Build::Stock => Vec::new(),
        Build::TrustsTests => vec![(SNAP, built("snap")?), (SNAPD, built("snapd")?)],
    };
    // snap-confine would mount it over itself if it were not shared, as it is below systemd.
    let shared = vec!["/snap"];
    Cage::new("snapd as a client", &Plan { empty: FOLDERS.to_vec(), shared, texts, instead })
}

/// A program that `tests/run` has had built; nothing, said loudly, where it could not be.
fn built(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("snapd");
    if folder.join(name).exists() {
        return Some(folder.join(name));
    }
    match std::fs::read_to_string(folder.join("absent")) {
        Ok(reason) => skip(Needs::Snapd, reason.trim()),
        Err(_) => panic!("there is no {}; tests/run has tests/install-snapd build it", folder.join(name).display()),
    }
    None
}

/// A daemon that runs in a cage. Both end with the value.
pub(crate) struct Snapd {
    store: Option<String>,
    daemon: Child,
    /// Where it runs.
    pub(crate) cage: Cage,
}

/// systemd would start it again, as it expects after it has installed another snapd.
const DAEMON: &str = r#"while :; do "$0" 2>>log; echo "snapd ended: $?" >>log; sleep 0.2; done"#;
const AWAIT_SOCKET: &str = "for try in $(seq 1200); do [ -S /run/snapd.socket ] && exit; sleep 0.1; done; exit 1";

impl Snapd {
    /// A daemon that knows nothing yet. Its store is at `store`, such as `http://127.0.0.1`, or else where snapd looks by
    /// itself.
    pub(crate) fn start(cage: Cage, store: Option<&str>) -> Self {
        shims::SHIMS.iter().for_each(|(name, text)| cage.write_program(&format!("bin/{name}"), text));
        let mut command = Command::new("sh");
        command.args(["-c", DAEMON, SNAPD]).env("SNAPD_STANDBY_WAIT", "10m").env("SNAPD_DEBUG", "1");
        environment(&mut command, &cage, store);
        let daemon = cage.inside(&command).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("nsenter");
        let snapd = Self { store: store.map(str::to_owned), daemon, cage };
        let ready = end(&mut snapd.cage.inside(Command::new("sh").args(["-c", AWAIT_SOCKET])));
        assert_eq!(ready.code, 0, "snapd does not listen:\n{}", snapd.log());
        if store.is_some() {
            // Until then it installs nothing. Without a store it would be busy with looking for one.
            snapd.snap("wait system seed.loaded").ok();
        }
        snapd
    }

    /// Runs `snap` with these arguments to its end.
    pub(crate) fn snap(&self, arguments: &str) -> Ended {
        self.snap_with(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// The same for arguments with spaces in them. Whatever takes longer than ten minutes has failed.
    pub(crate) fn snap_with(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new("timeout");
        command.args(["600", SNAP]).args(arguments);
        environment(&mut command, &self.cage, self.store.as_deref());
        let mut ended = end(&mut self.cage.inside(&command));
        if ended.code != 0 {
            ended.err += &format!("\n--- the daemon's log ---\n{}", self.log());
        }
        ended
    }

    /// Runs a shell script beside the daemon.
    pub(crate) fn shell(&self, script: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-ec", script]);
        environment(&mut command, &self.cage, self.store.as_deref());
        end(&mut self.cage.inside(&command))
    }

    /// What the daemon wrote.
    pub(crate) fn whole_log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.cage.path("log")).unwrap_or_default()).into_owned()
    }

    /// The last lines that the daemon wrote.
    pub(crate) fn log(&self) -> String {
        let text = self.whole_log();
        // What begins with a date, and not the host's whole description, which a failed task adds.
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("20")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Snapd {
    fn drop(&mut self) {
        let _ = self.daemon.kill(); // what is inside ends with the cage
        let _ = self.daemon.wait();
    }
}

/// `snap download` or `snap known --remote` against the store at `store`, in `folder`, with no daemon and no rights; nothing,
/// said loudly, where there is no such build.
pub(crate) fn alone(build: Build, store: &str, folder: &Path, arguments: &str) -> Option<Ended> {
    let program = match build {
        Build::Stock => PathBuf::from(SNAP),
        Build::TrustsTests => built("snap")?,
    };
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).current_dir(folder);
    clean(&mut command);
    command.env("HOME", folder).env("UBUNTU_STORE_ARCH", "amd64");
    command.env("SNAPPY_FORCE_API_URL", store).env("SNAPPY_FORCE_SAS_URL", store);
    Some(end(&mut command))
}

/// What the daemon, `snap` and scripts are told.
fn environment(command: &mut Command, cage: &Cage, store: Option<&str>) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:/snap/bin:{path}:/usr/sbin:/sbin", cage.path("bin").display()));
    command.env("HOME", "/var/snap/home").env("SNAP_REEXEC", "0").current_dir(cage.path(""));
    if let Some(store) = store {
        command.env("SNAPPY_FORCE_API_URL", store).env("SNAPPY_FORCE_SAS_URL", store);
    }
}
