//! The demo's client: the host's own apt-get with a configuration of its own, or else our downloader.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::DemoError;
use crate::fetch::{FetchOptions, Fetcher};
use crate::formats::apt::archive::read_release;
use crate::formats::apt::packages::packages;
use crate::formats::openpgp::{Keyring, SignedBytes};
use crate::serve::Server;
use crate::time::Time;

/// A client of the site.
pub(super) struct DemoClient {
    root: PathBuf,
    keyring: PathBuf,
    url: String,
}

impl DemoClient {
    /// Sets up a client that trusts the site's key alone.
    pub(super) fn new(root: &Path, site: &Path, server: &Server) -> Result<Self, DemoError> {
        let url = format!("http://{}/apt/demo", server.address);
        let keyring = site.join("current/keys/site.gpg");
        for folder in ["etc/apt/preferences.d", "lists/partial", "cache/archives/partial", "dpkg"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(DemoError::io("create", &folder))?;
        }
        let r = root.display();
        // All other settings are those of a fresh installation: the client has a root of its own, is of the architecture that the
        // demo's upstream has, and runs as one user, since `_apt` may not enter temporary folders.
        let config = format!(
            "Dir \"{r}\"; Dir::Etc::Parts \"{r}/none\"; Dir::Etc::SourceParts \"{r}/none\";\n\
             Dir::Etc::SourceList \"{r}/sources.list\"; Dir::State \"{r}\"; Dir::State::status \"{r}/dpkg/status\";\n\
             Dir::Cache \"{r}/cache\"; APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }};\n\
             APT::Sandbox::User \"root\";\n"
        );
        let list = format!("deb [signed-by={}] {url} stable main\n", keyring.display());
        for (file, text) in [("apt.conf", config), ("sources.list", list), ("dpkg/status", String::new())] {
            let path = root.join(file);
            fs::write(&path, text).map_err(DemoError::io("write", &path))?;
        }
        Ok(Self { root: root.to_owned(), keyring, url })
    }

    /// Updates, and checks that `version` is what the client would install; returns the sentence that says so.
    pub(super) fn sees(&self, version: &str) -> Result<String, DemoError> {
        match Command::new("apt-get").arg("--version").output() {
            Ok(_) => self.apt_sees(version),
            Err(_) => self.downloader_sees(version),
        }
    }

    fn apt_sees(&self, version: &str) -> Result<String, DemoError> {
        let url = &self.url;
        self.apt_get(&["update"])?;
        let plan = self.apt_get(&["install", "-s", "-y", "hello-gap"])?;
        self.apt_get(&["install", "-y", "--download-only", "hello-gap"])?;
        let wanted = format!("Inst hello-gap ({version} ");
        match plan.contains(&wanted) {
            true => Ok(format!("apt-get, which trusts the site's key alone, installs hello-gap {version} from {url}.")),
            false => Err(DemoError::failed(format!("apt-get does not install hello-gap {version}: {plan}"))),
        }
    }

    fn apt_get(&self, arguments: &[&str]) -> Result<String, DemoError> {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("APT_CONFIG", self.root.join("apt.conf")).env("LC_ALL", "C");
        let output = command.output().map_err(DemoError::io("run", Path::new("apt-get")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(text),
            false => Err(DemoError::failed(format!("apt-get {} failed: {errors}", arguments.join(" ")))),
        }
    }

    /// Where there is no apt: the signature and the index, read by our own code.
    fn downloader_sees(&self, version: &str) -> Result<String, DemoError> {
        let wrong = |what: String| DemoError::failed(what);
        let fetcher = Fetcher::new(FetchOptions::default()).map_err(|e| wrong(e.to_string()))?;
        let get = |path: &str| {
            let url = url::Url::parse(&format!("{}/{path}", self.url)).map_err(|e| wrong(e.to_string()))?;
            fetcher.get(&url, 1 << 20).map_err(|e| wrong(e.to_string()))
        };
        let keys = fs::read(&self.keyring).map_err(DemoError::io("read", &self.keyring))?;
        let keyring = Keyring::parse(&keys)?;
        let message = get("dists/stable/InRelease")?;
        read_release(SignedBytes::Inline(&message), &keyring, Time::now().unix()).map_err(|e| wrong(e.to_string()))?;
        let index = get("dists/stable/main/binary-amd64/Packages")?;
        let found = packages(&index)
            .filter_map(Result::ok)
            .any(|p| p.control.name == "hello-gap" && p.control.version == version);
        match found {
            true => Ok(format!(
                "There is no apt-get here; {} is signed by the site and lists hello-gap {version}.",
                self.url
            )),
            false => Err(wrong(format!("{} does not list hello-gap {version}", self.url))),
        }
    }
}
