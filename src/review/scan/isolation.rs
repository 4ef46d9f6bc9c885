//! The rights that a scanner runs with.

use std::path::Path;
use std::process::{Command, Stdio};

use schemars::JsonSchema;
use serde::Serialize;

/// The user and the group `nobody`, as all distributions number them.
const NOBODY: &str = "65534";

/// The rights that a scanner runs with. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScanIsolation {
    /// `none`, or the reason for which the scanner could reach the network.
    pub network: String,
    /// `nobody`, `caller`, or `root` if the caller is root and could not give that up.
    pub user: String,
    /// The program and the arguments before the scanner's own.
    #[serde(skip)]
    wrapper: Vec<String>,
}

impl ScanIsolation {
    /// Finds out what this host allows.
    pub(super) fn find() -> Self {
        let is_root = rustix::process::geteuid().is_root();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let drop_rights = words(&format!(
            "setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=-all --no-new-privs --"
        ));
        let drop_rights = if is_root && works(&drop_rights) { drop_rights } else { Vec::new() };
        let user = match (is_root, drop_rights.is_empty()) {
            (false, _) => "caller",
            (true, true) => "root",
            (true, false) => "nobody",
        };
        let no_network = words(if is_root { "unshare --net --" } else { "unshare --user --net --" });
        let (network, mut wrapper) = match works(&no_network) {
            true => ("none".to_owned(), no_network),
            false => (format!("not cut off: {} does not work on this host", no_network.join(" ")), Vec::new()),
        };
        wrapper.extend(drop_rights);
        Self { network, user: user.to_owned(), wrapper }
    }

    /// Returns a command that runs `program` with these rights, with nothing of the caller's environment but the path.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut words = self.wrapper.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words).env_clear().env("LC_ALL", "C.UTF-8").current_dir(Path::new("/")).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

/// Returns whether `true` runs behind these words.
fn works(wrapper: &[String]) -> bool {
    let Some((program, arguments)) = wrapper.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
