//! Real packages, made with `rpmbuild` and signed with `rpmsign`, in repositories made with `createrepo_c` and signed with gpg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use gapferry::upstream::Payload;
use tempfile::TempDir;

use crate::support::desk::end;
use crate::support::fixture::fixture;

/// Packages as NAME VERSION ARCHITECTURE.
const PACKAGES: [&str; 11] = [
    "ferry-app 1.0 x86_64",
    "ferry-app 2.0 x86_64",
    "ferry-app 10.0 x86_64",
    "ferry-app 10.0~rc1 x86_64",
    "ferry-app 1.0 i686",
    "ferry-lib 1.0^git1 noarch",
    "ferry-mod 1.0 noarch",
    "ferry-mod 2.0 noarch",
    "ferry-lib 1.0^git1 src",
    "ferry-big 1.0 x86_64",
    "ferry-big 2.0 x86_64",
];

/// Two streams of one module, of which the first is the default one.
const MODULES: &str = r#"---
document: modulemd-defaults
version: 1
data: {module: ferrymod, stream: "1", profiles: {"1": [default], "2": [default]}}
...
"#;

/// A group.
const GROUPS: &str = "<?xml version=\"1.0\"?>\n<comps><group><id>ferry</id><name>Ferry</name><packagelist>\
    <packagereq type=\"mandatory\">ferry-app</packagereq></packagelist></group></comps>\n";

/// The packages, and who signs them: the same for all tests.
pub(crate) struct Rpms {
    folder: PathBuf,
    /// Removes the folder.
    _copy: Option<TempDir>,
}

pub(crate) static RPMS: LazyLock<Rpms> = LazyLock::new(|| {
    let copy = fixture("rpms", include_str!("rpms.rs"), Rpms::make);
    Rpms { folder: copy.path().to_owned(), _copy: Some(copy) }
});

impl Rpms {
    fn make(folder: &Path) {
        let rpms = Self { folder: folder.to_owned(), _copy: None };
        fs::create_dir(rpms.path("gnupg")).unwrap();
        end(Command::new("chmod").arg("700").arg(rpms.path("gnupg"))).ok();
        for name in ["Upstream", "Stranger"] {
            let id = format!("{name} <{name}@test.invalid>");
            rpms.gpg(&["--passphrase", "", "--quick-gen-key", &id, "rsa2048", "sign", "never"]);
            let out = rpms.path(&format!("{name}.asc"));
            rpms.gpg(&["--armor", "--output", out.to_str().unwrap(), "--export", name]);
        }
        PACKAGES.iter().for_each(|package| rpms.build(package));
        let files = fs::read_dir(rpms.path("rpms")).unwrap().map(|entry| entry.unwrap().path());
        let gpg = end(Command::new("which").arg("gpg")).ok().out;
        let mut sign = Command::new("rpmsign");
        sign.args(["--define", "_gpg_name Upstream", "--define", &format!("__gpg {}", gpg.trim()), "--addsign"]);
        end(rpms.clean(sign.args(files))).ok();
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    fn clean<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("HOME", &self.folder).env("GNUPGHOME", self.path("gnupg")).env("LC_ALL", "C.UTF-8")
    }

    fn gpg(&self, arguments: &[&str]) {
        end(self.clean(Command::new("gpg").args(["--batch", "--quiet", "--yes"]).args(arguments))).ok();
    }

    fn build(&self, package: &str) {
        let [name, version, architecture] = package.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let needs = if name == "ferry-app" { "Requires: ferry-lib\n" } else { "" };
        // A delta pays only for what is large and stays.
        let payload = if name == "ferry-big" { self.noise() } else { "/dev/null".into() };
        let payload = payload.display();
        let noarch = if ["ferry-app", "ferry-big"].contains(&name) { "" } else { "BuildArch: noarch\n" };
        let spec = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: Test\nLicense: MIT\nVendor: Gap & Sons\n{needs}{noarch}\
             %description\nTest.\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n\
             echo {version} > %{{buildroot}}/usr/share/{name}/version\ncp {payload} %{{buildroot}}/usr/share/{name}/payload\n%files\n/usr/share/{name}\n"
        );
        let file = self.path("ferry.spec");
        fs::write(&file, spec).unwrap();
        let mut build = Command::new("rpmbuild");
        build.arg("--define").arg(format!("_topdir {}", self.path("build").display()));
        for kind in ["_rpmdir", "_srcrpmdir"] {
            build.arg("--define").arg(format!("{kind} {}", self.path("rpms").display()));
        }
        build.args(["--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"]);
        let what = if architecture == "src" { "-bs" } else { "-bb" };
        let target = if architecture == "src" { "x86_64" } else { architecture };
        end(self.clean(build.args(["--target", target, what]).arg(&file))).ok();
    }

    /// A file that does not compress.
    fn noise(&self) -> PathBuf {
        let path = self.path("noise");
        let mut bytes = Vec::new();
        let noise = Payload::Pseudorandom { size: 200_000, seed: 26 };
        std::io::Read::read_to_end(&mut noise.reader(), &mut bytes).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes the folder `root` a signed repository of these packages, such as `ferry-app-1.0-1.x86_64`. States of larger
    /// numbers are newer. With a package of `ferry-mod` it has module streams, with two of `ferry-big` a delta.
    pub(crate) fn repository(&self, root: &Path, state: i64, packages: &[&str]) {
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root.join("Packages/f")).unwrap();
        for package in packages {
            let file = format!("{package}.rpm");
            fs::copy(self.path("rpms").join(&file), root.join("Packages/f").join(&file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        fs::write(self.path("groups.xml"), GROUPS).unwrap();
        let revision = gapferry::time::Time::now().unix() - 100_000 + state * 1000;
        let mut create = Command::new("createrepo_c");
        create.args(["-q", "--set-timestamp-to-revision", "--revision", &revision.to_string(), "--groupfile"]);
        create.arg(self.path("groups.xml"));
        if packages.iter().filter(|package| package.starts_with("ferry-big")).count() > 1 {
            create.arg("--deltas").arg("--oldpackagedirs").arg(root.join("Packages/f"));
        }
        end(self.clean(create.arg(root))).ok();
        if packages.iter().any(|package| package.starts_with("ferry-mod")) {
            let file = root.join("modules.yaml");
            fs::write(&file, ["1", "2"].map(stream).concat() + MODULES).unwrap();
            end(Command::new("modifyrepo_c").args(["--mdtype=modules"]).arg(&file).arg(root.join("repodata"))).ok();
            fs::remove_file(file).unwrap();
        }
        self.sign(root, "Upstream");
    }

    /// Signs a repository.
    pub(crate) fn sign(&self, root: &Path, who: &str) {
        self.gpg(&[
            "--local-user",
            who,
            "--armor",
            "--detach-sign",
            root.join("repodata/repomd.xml").to_str().unwrap(),
        ]);
    }
}

impl Drop for Rpms {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.path("gnupg")).status();
    }
}

fn stream(number: &str) -> String {
    format!(
        "---\ndocument: modulemd\nversion: 2\ndata:\n  name: ferrymod\n  stream: \"{number}\"\n  version: 1\n  context: c0ffee0{number}\n  \
         arch: x86_64\n  summary: Test\n  description: Test\n  license:\n    module: [MIT]\n  profiles:\n    default:\n      \
         rpms: [ferry-mod]\n  artifacts:\n    rpms:\n    - ferry-mod-0:{number}.0-1.noarch\n...\n"
    )
}
