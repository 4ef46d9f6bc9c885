//! A machine with dnf, whose settings, caches and packages are all below one temporary folder.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::support::desk::{Ended, end};

/// The machine.
pub(crate) struct Dnf {
    root: TempDir,
}

impl Dnf {
    /// A machine with one repository, which checks all signatures; `gpgkey` is where the keys are.
    pub(crate) fn new(baseurl: &str, gpgkey: &str, more: &str) -> Self {
        let dnf = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(dnf.root.path().join("repos")).unwrap();
        let folder = dnf.root.path().display();
        fs::write(
            dnf.root.path().join("dnf.conf"),
            format!(
                "[main]\nreposdir={folder}/repos\nvarsdir={folder}/vars\nplugins=0\ngpgcheck=1\nmodule_platform_id=platform:el9\n\
                 cachedir=/var/cache/dnf\npersistdir=/var/lib/dnf\nlogdir=/var/log\nbest=1\nretries=1\n"
            ),
        )
        .unwrap();
        fs::write(
            dnf.root.path().join("repos/el.repo"),
            format!("[el]\nname=el\nbaseurl={baseurl}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey={gpgkey}\n{more}\n"),
        )
        .unwrap();
        dnf
    }

    /// Where its repositories are described.
    pub(crate) fn repos(&self) -> std::path::PathBuf {
        self.root.path().join("repos")
    }

    /// Runs dnf with these arguments.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        let mut dnf = Command::new("dnf");
        dnf.arg("--config")
            .arg(self.root.path().join("dnf.conf"))
            .arg("--installroot")
            .arg(self.root.path().join("root"));
        dnf.args(["-y", "--releasever", "9", "--forcearch", "x86_64"]).args(arguments.split_whitespace());
        dnf.env("HOME", self.root.path()).env("LC_ALL", "C.UTF-8").env("no_proxy", "127.0.0.1");
        end(&mut dnf)
    }

    /// What is installed, sorted.
    pub(crate) fn installed(&self) -> Vec<String> {
        self.query("--installed")
    }

    /// What dnf finds in the repository when it looks anew, sorted.
    pub(crate) fn offered(&self) -> Vec<String> {
        self.query("--refresh --available")
    }

    fn query(&self, arguments: &str) -> Vec<String> {
        let ended = self.run(&format!("-q repoquery {arguments}")).ok();
        let mut lines: Vec<String> = ended.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
