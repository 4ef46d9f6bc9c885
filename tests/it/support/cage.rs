//! A cage: namespaces of their own for programs that would change the host, or that look for hosts which are elsewhere.
//!
//! Inside there is no network but loopback, and chosen folders are empty. All that runs inside ends with the value, also
//! when the tests themselves are killed. Needs root.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::skip::{Needs, skip};

/// Namespaces, held by a process that waits.
pub(crate) struct Cage {
    holder: Child,
    folder: TempDir,
}

/// What is different inside.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    /// Folders that are empty; what is written there is gone in the end.
    pub(crate) empty: Vec<&'a str>,
    /// Those of them in which mounts reach the namespaces that programs inside make for themselves.
    pub(crate) shared: Vec<&'a str>,
    /// Files with another text.
    pub(crate) texts: Vec<(&'a str, String)>,
    /// Files, and others that stand in their place.
    pub(crate) instead: Vec<(&'a str, PathBuf)>,
}

const UNSHARE: [&str; 6] = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// The first process inside. It ends when nobody holds its stdin any more, and all others with it.
const HOLD: &str = "
    ip link set lo up && . ./mounts || exit 9
    echo ready
    read -r end
";

/// Variables that would lead programs inside to what is outside.
const UNSET: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GAPFERRY_SITE",
    "LD_LIBRARY_PATH",
];

/// The one processor on which everything inside runs. snap-confine binds the namespace of mounts that it makes to a file. The
/// kernel allows that if the namespace is younger than its own, which it tells by numbers that on Linux 6.18 only grow on
/// each processor.
fn processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0").trim();
    allowed.split([',', '-']).next().unwrap_or("0").to_owned()
}

impl Cage {
    /// Creates a cage, or returns `None` if this user can create none and the test may be skipped for that.
    pub(crate) fn new(what: &str, plan: &Plan<'_>) -> Option<Self> {
        let allowed = Command::new("unshare").args(UNSHARE).args(["mount", "-t", "tmpfs", "none", "/run"]).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            skip(Needs::Namespaces, &format!("{what}: this user cannot create namespaces"));
            return None;
        }
        // Not below /tmp, which programs may hide from others.
        let folder = tempfile::Builder::new().prefix("gf").tempdir_in("/var/tmp").expect("temporary folder");
        std::fs::write(folder.path().join("mounts"), plan.script(folder.path())).expect("write");
        let mut command = Command::new("taskset");
        command.args(["-c", &processor(), "unshare"]).args(UNSHARE).args(["sh", "-c", HOLD]).current_dir(folder.path());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("stdout")).read_line(&mut line).expect("read");
        assert_eq!(line, "ready\n", "the namespaces cannot be set up");
        Some(Self { holder, folder })
    }

    /// A path below a folder that is the same inside and outside, and ends with the cage.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a program into that folder.
    pub(crate) fn write_program(&self, below: &str, text: &str) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o755).open(path).expect("create");
        file.write_all(text.as_bytes()).expect("write");
    }

    /// What runs `command` inside, in the same folder and with the same variables. Killing it kills nothing inside.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut outer = Command::new("taskset");
        outer.args(["-c", &processor(), "nsenter"]);
        let pid = self.holder.id();
        // The process that was unshared is in all of them but that of processes, in which only its children are.
        for (option, kind) in [("net", "net"), ("mount", "mnt"), ("pid", "pid_for_children")] {
            outer.arg(format!("--{option}=/proc/{pid}/ns/{kind}"));
        }
        outer.args(["--", "sh", "-c", r#"cd "$0" && exec "$@""#]);
        outer.arg(command.get_current_dir().unwrap_or(Path::new("/")));
        outer.arg(command.get_program()).args(command.get_args()).env("LC_ALL", "C.UTF-8");
        UNSET.iter().for_each(|name| {
            outer.env_remove(name);
        });
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = self.holder.kill(); // it may have ended
        let _ = self.holder.wait();
    }
}

impl Plan<'_> {
    /// A script that makes it so. Texts are written into `folder`.
    fn script(&self, folder: &Path) -> String {
        let mut script = String::from("set -e\n");
        for empty in &self.empty {
            script += &format!("mount -t tmpfs -o mode=755 none {empty}\n");
        }
        for (at, (target, text)) in self.texts.iter().enumerate() {
            std::fs::write(folder.join(format!("text-{at}")), text).expect("write");
            script += &format!("mount --bind text-{at} {target}\n");
        }
        for (target, source) in &self.instead {
            script += &format!("mount --bind '{}' {target}\n", source.display());
        }
        for folder in &self.shared {
            script += &format!("mount --make-shared {folder}\n");
        }
        script
    }
}
