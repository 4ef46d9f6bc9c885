//! A root for apt with a configuration of its own, over the sources of the host.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::collect::apt::closure::{ClosureIndex, Pin};
use gapferry::formats::apt::packages::packages;
use gapferry::formats::apt::sources::{self, ListScope};

use crate::support::world::scratch;

/// See the module.
pub(super) struct AptRoot {
    folder: tempfile::TempDir,
    pub(super) architecture: String,
    /// From GAPFERRY_CLOSURE_FOREIGN, such as `i386`; none otherwise.
    pub(super) foreign: Vec<String>,
    texts: Vec<Vec<u8>>,
}

/// Source lists that a distribution itself installs.
const SOURCES: [&str; 3] =
    ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list.d/ubuntu.sources", "/etc/apt/sources.list"];

impl AptRoot {
    /// A root over the first source list of [`SOURCES`] that names something, freshly updated.
    pub(super) fn of_host() -> Option<Self> {
        let (path, text) = SOURCES.iter().find_map(|path| Some((*path, fs::read_to_string(path).ok()?)))?;
        let entries = sources::parse(path, &text, ListScope::default()).expect("the host's own source list is read");
        entries.iter().find(|entry| entry.binary)?;
        let folder = scratch();
        let root = folder.path();
        for name in ["apt.conf.d", "preferences.d", "sources.list.d", "trusted.gpg.d", "auth.conf.d"] {
            fs::create_dir_all(root.join("etc/apt").join(name)).unwrap();
        }
        for name in [
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/log/apt",
            "empty/archives/partial",
            "minbase/archives/partial",
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let name = Path::new(path).file_name().unwrap();
        let folder_of_list = if path.ends_with(".list") { "etc/apt" } else { "etc/apt/sources.list.d" };
        fs::write(root.join(folder_of_list).join(name), text).unwrap();
        let architecture = run(Command::new("dpkg").arg("--print-architecture")).unwrap().trim().to_owned();
        let foreign = std::env::var("GAPFERRY_CLOSURE_FOREIGN").unwrap_or_default();
        let foreign: Vec<_> = foreign.split_whitespace().map(str::to_owned).collect();
        let architectures = [std::slice::from_ref(&architecture), &foreign[..]].concat();
        for target in ["empty", "minbase"] {
            fs::write(root.join(target).join("status"), "").unwrap();
            fs::write(root.join(target).join("apt.conf"), configuration(root, target, &architectures)).unwrap();
        }
        let mut apt = Self { folder, architecture, foreign, texts: Vec::new() };
        let updated = run(apt.apt_get(false).arg("update"));
        // An archive need not have all of an architecture that nobody configured.
        assert!(updated.is_ok() || !apt.foreign.is_empty(), "apt-get update over the host's own sources: {updated:?}");
        for entry in entries.iter().filter(|entry| entry.binary) {
            for suite in &entry.suites {
                for component in &entry.components {
                    for architecture in &architectures {
                        apt.texts.extend(apt.list(entry.url.as_str(), &suite.to_string(), component, architecture));
                    }
                }
            }
        }
        Some(apt)
    }

    fn list(&self, url: &str, suite: &str, component: &str, architecture: &str) -> Option<Vec<u8>> {
        let (_, place) = url.trim_end_matches('/').split_once("://")?;
        let place = place.replace('_', "%5f").replace('/', "_");
        let suite = suite.replace('/', "_");
        let name = format!("{place}_dists_{suite}_{component}_binary-{architecture}_Packages");
        fs::read(self.folder.path().join("var/lib/apt/lists").join(name)).ok()
    }

    pub(super) fn indexes(&self) -> Vec<ClosureIndex<'_>> {
        self.texts.iter().map(|text| ClosureIndex { text, pin: Pin::Normal, ..ClosureIndex::default() }).collect()
    }

    /// The names of the first index, and those of the first foreign one with their architecture.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            packages(&self.texts[0]).map(|package| package.unwrap().control.name.to_owned()).collect();
        if !self.foreign.is_empty() {
            let foreign = packages(&self.texts[1]).map(|package| package.unwrap().control);
            let foreign = foreign.filter(|control| control.architecture != "all");
            names.extend(foreign.map(|control| format!("{}:{}", control.name, control.architecture)));
        }
        names
    }

    pub(super) fn write_minbase(&self, status: &[u8]) {
        fs::write(self.folder.path().join("minbase/status"), status).unwrap();
        // So that two queries at once do not both build apt's cache.
        for minbase in [false, true] {
            run(self.apt_get(minbase).args(["check", "-qq"])).expect("apt finds the target in order");
        }
    }

    /// `NAME_VERSION_ARCHITECTURE` of each package that apt would fetch, or what it says.
    pub(super) fn print_uris(
        &self,
        minbase: bool,
        recommends: bool,
        seeds: &[String],
    ) -> Result<BTreeSet<String>, String> {
        let mut command = self.apt_get(minbase);
        command.args(["install", "--print-uris", "-qq", "-y", "-o"]);
        command.arg(format!("APT::Install-Recommends={recommends}")).args(seeds);
        let lines = run(&mut command)?;
        let file = |line: &str| Some(line.split(' ').nth(1)?.strip_suffix(".deb")?.replace("%3a", ":"));
        Ok(lines.lines().filter_map(file).collect())
    }

    fn apt_get(&self, minbase: bool) -> Command {
        let configuration: PathBuf =
            self.folder.path().join(if minbase { "minbase" } else { "empty" }).join("apt.conf");
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", configuration).env("LC_ALL", "C.UTF-8").env_remove("SOURCE_DATE_EPOCH");
        command
    }
}

fn configuration(root: &Path, target: &str, architectures: &[String]) -> String {
    let root = root.display();
    let native = &architectures[0];
    let all: String = architectures.iter().map(|name| format!("\"{name}\"; ")).collect();
    // A root of its own with the target's state, the architectures of the case, and no user `_apt`, which may not enter
    // temporary folders.
    format!(
        "Dir \"{root}\"; Dir::State::status \"{root}/{target}/status\"; Dir::Cache \"{root}/{target}\";\n\
         Dir::Etc::Parts \"{root}/etc/apt/apt.conf.d\"; APT::Architecture \"{native}\";\n\
         APT::Architectures {{ {all}}}; APT::Sandbox::User \"root\";\n"
    )
}

pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("apt-get and dpkg are installed");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / "))
    }
}
