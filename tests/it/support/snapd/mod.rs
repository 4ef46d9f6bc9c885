//! snapd in a cage, with neither systemd nor anything installed: Debian's, or one that trusts the tests' own root.
//!
//! ```ignore
//! let Some(cage) = snapd::cage(&[]) else { return };
//! let serving = store::serve(&cage, &desk, "--listen 127.0.0.1:80");
//! let Some(snapd) = Snapd::start(cage, Build::TrustsTests, Some("http://127.0.0.1")) else { return };
//! snapd.snap("install words").ok();
//! ```

mod shims;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::cage::Cage;
use super::desk::{Ended, end};

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

/// A cage for [`Snapd`], in which these hosts are this machine; nothing, said loudly, where there can be none.
pub(crate) fn cage(hosts: &[&str]) -> Option<Cage> {
    Cage::new("snapd as a client", &FOLDERS, hosts)
}

/// A daemon, and the program that talks with it. Both end with the value.
pub(crate) struct Snapd {
    build: Build,
    store: Option<String>,
    daemon: Child,
    /// The namespaces in which it runs.
    pub(crate) cage: Cage,
}

/// systemd would start it again, as it expects after it has installed another snapd.
const DAEMON: &str = r#"while :; do "$0" 2>>log; echo "snapd ended: $?" >>log; sleep 0.2; done"#;
const AWAIT_SOCKET: &str = "for try in $(seq 300); do [ -S /run/snapd.socket ] && exit; sleep 0.1; done; exit 1";

impl Snapd {
    /// A daemon that knows nothing yet. Its store is at `store`, such as `http://127.0.0.1`, or else where snapd looks by
    /// itself. Nothing where this host has no such build, said loudly.
    pub(crate) fn start(cage: Cage, build: Build, store: Option<&str>) -> Option<Self> {
        let program = build.program("snapd")?;
        shims::SHIMS.iter().for_each(|(name, text)| cage.write_program(&format!("bin/{name}"), text));
        let mut command = Command::new("sh");
        command.args(["-c", DAEMON]).arg(program).current_dir(cage.path(""));
        environment(&mut command, &cage, store);
        command.env("SNAPD_STANDBY_WAIT", "10m").env("SNAPD_DEBUG", "1").env("SYSTEMCTL_LOG", cage.path("systemctl.log"));
        let daemon = cage.inside(&command).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("nsenter");
        let snapd = Self { build, store: store.map(str::to_owned), daemon, cage };
        let ready = end(&mut snapd.cage.inside(Command::new("sh").args(["-c", AWAIT_SOCKET])));
        assert_eq!(ready.code, 0, "snapd does not listen:\n{}", snapd.log());
        Some(snapd)
    }

    /// Runs `snap` with these arguments to its end.
    pub(crate) fn snap(&self, arguments: &str) -> Ended {
        self.snap_with(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// The same for arguments with spaces in them. Whatever takes longer than three minutes has failed.
    pub(crate) fn snap_with(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new("timeout");
        command.arg("180").arg(self.build.program("snap").expect("built")).args(arguments);
        command.current_dir(self.cage.path(""));
        environment(&mut command, &self.cage, self.store.as_deref());
        let mut ended = end(&mut self.cage.inside(&command));
        if ended.code != 0 {
            ended.err += &format!("\n--- the daemon's log ---\n{}", self.log());
        }
        ended
    }

    /// Runs a shell script beside the daemon.
    pub(crate) fn shell(&self, script: &str) -> Ended {
        end(&mut self.cage.inside(Command::new("sh").args(["-ec", script]).current_dir(self.cage.path(""))))
    }

    /// The last lines that the daemon wrote.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read(self.cage.path("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
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

/// `snap download` or `snap known --remote` against the store at `store`, in `folder`: stock, with no daemon and no rights.
pub(crate) fn stock(store: &str, folder: &Path, arguments: &str) -> Ended {
    let mut command = Command::new(Build::Stock.program("snap").expect("always"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    super::desk::clean(&mut command);
    command.env("HOME", folder).env("UBUNTU_STORE_ARCH", "amd64");
    command.env("SNAPPY_FORCE_API_URL", store).env("SNAPPY_FORCE_SAS_URL", store);
    end(&mut command)
}

/// What both the daemon and `snap` are told.
fn environment(command: &mut Command, cage: &Cage, store: Option<&str>) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:/snap/bin:{path}:/usr/sbin:/sbin", cage.path("bin").display()));
    command.env("HOME", cage.path("")).env("SNAP_REEXEC", "0");
    if let Some(store) = store {
        command.env("SNAPPY_FORCE_API_URL", store).env("SNAPPY_FORCE_SAS_URL", store);
    }
}

impl Build {
    /// A program of it, `snap` or `snapd`; nothing where it cannot be built.
    pub(crate) fn program(self, name: &str) -> Option<PathBuf> {
        let path = match self {
            Self::Stock => Path::new(if name == "snap" { "/usr/bin" } else { "/usr/lib/snapd" }).join(name),
            Self::TrustsTests => built().join(name),
        };
        if path.exists() {
            return Some(path);
        }
        let reason = std::fs::read_to_string(built().join("absent"));
        let Some(reason) = reason.ok().filter(|_| self == Self::TrustsTests) else {
            panic!("there is no {}; tests/run installs it", path.display());
        };
        eprintln!("SKIPPED: an installation of snaps: {}", reason.trim());
        None
    }
}

/// Where `tests/run` has `tests/install-snapd` put it.
fn built() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("snapd")
}
