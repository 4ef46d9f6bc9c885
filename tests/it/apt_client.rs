//! A real apt-get with a root of its own: nothing of the host's configuration, sources or state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `program` printed; fails the test where it is missing or fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = output(command);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{words}\n{complaints}", output.status);
    words
}

/// Runs `apt-get update` and returns what it printed. Fails the test if it fails, or prints a warning or an error.
#[track_caller]
pub(crate) fn complaint_free(command: &mut Command) -> String {
    let output = output(command);
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let complains = words.lines().any(|line| ["W:", "E:", "Err:"].iter().any(|start| line.starts_with(start)));
    assert!(output.status.success() && !complains, "{command:?}: {}\n{words}", output.status);
    words
}

/// How `command` ended and what it printed; fails the test where the program is missing.
pub(crate) fn output(command: &mut Command) -> Output {
    command.env("LC_ALL", "C.UTF-8");
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs what the tests need"))
}

/// A folder with an empty dpkg status, and a configuration that names nothing outside it.
pub(crate) struct AptClient {
    root: tempfile::TempDir,
}

impl AptClient {
    /// A client of `architecture` that knows no source yet.
    pub(crate) fn new(architecture: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let client = Self { root };
        let folders = "etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/sources.list.d etc/apt/trusted.gpg.d \
                       etc/apt/auth.conf.d var/lib/apt/lists/partial var/cache/apt/archives/partial var/lib/dpkg var/log/apt";
        for folder in folders.split_whitespace() {
            fs::create_dir_all(client.path(folder)).unwrap();
        }
        fs::write(client.path("var/lib/dpkg/status"), "").unwrap();
        let root = client.root.path().display();
        // All other settings are those of a fresh installation:
        // - Dir and the two below it: a root of its own, since the host's settings and lists must not count.
        // - The architectures: archives of the tests are of amd64, whatever the host is.
        // - Sandbox: the user _apt may not enter temporary folders.
        let settings = format!(
            "Dir \"{root}\"; Dir::State::status \"{root}/var/lib/dpkg/status\"; Dir::Etc::Parts \"{root}/etc/apt/apt.conf.d\";\n\
             APT::Architecture \"{architecture}\"; APT::Architectures {{ \"{architecture}\"; }}; APT::Sandbox::User \"root\";\n"
        );
        fs::write(client.path("apt.conf"), settings).unwrap();
        client
    }

    /// Gives it the settings that apt-file, appstream and command-not-found install. Their hooks are left out: they would
    /// change what the host's own programs have cached.
    pub(crate) fn with_programs(self) -> Self {
        for file in ["50apt-file.conf", "50appstream", "50command-not-found"] {
            let installed = Path::new("/etc/apt/apt.conf.d").join(file);
            let text = fs::read_to_string(&installed)
                .unwrap_or_else(|e| panic!("{}: {e}; tests/run installs what the tests need", installed.display()));
            let settings = text.split("APT::Update::Post-Invoke-Success").next().unwrap();
            fs::write(self.path("etc/apt/apt.conf.d").join(file), settings).unwrap();
        }
        // Debian's command-not-found makes do with lists of files; Ubuntu's asks for its own, and does not say this.
        let ubuntu = "Acquire::IndexTargets::deb::CNF::DefaultEnabled \"yes\";\n";
        fs::write(self.path("etc/apt/apt.conf.d/60ubuntu"), ubuntu).unwrap();
        self
    }

    /// Updates, and fails the test if apt fails, or prints a warning or an error.
    #[track_caller]
    pub(crate) fn updates_without_complaint(&self, options: &str) -> String {
        complaint_free(self.command("apt-get").arg("update").args(options.split_whitespace()))
    }

    /// A path below the client's root.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Sets its one source, deb822 style: `Types: deb`, then as given, with signatures checked against `keyring`.
    pub(crate) fn source(&self, types: &str, uri: &str, suites: &str, components: &str, keyring: &Path) {
        let keyring = keyring.display();
        let text =
            format!("Types: {types}\nURIs: {uri}\nSuites: {suites}\nComponents: {components}\nSigned-By: {keyring}\n");
        fs::write(self.path("etc/apt/sources.list.d/test.sources"), text).unwrap();
    }

    /// `program` with this client's configuration and nothing else of apt's in its environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.path("apt.conf")).current_dir(self.root.path());
        command
    }

    /// Runs `apt-get` with these arguments; what it printed, or a failed test.
    pub(crate) fn apt_get(&self, arguments: &str) -> String {
        run(self.command("apt-get").args(arguments.split_whitespace()))
    }

    /// Packages that `apt-get install -s` would install, sorted.
    pub(crate) fn would_install(&self, arguments: &str) -> Vec<String> {
        let plan = self.apt_get(&format!("install -s -y {arguments}"));
        let name = |line: &str| line.strip_prefix("Inst ")?.split(' ').next().map(str::to_owned);
        let mut names: Vec<String> = plan.lines().filter_map(name).collect();
        names.sort();
        names
    }

    /// Names of the .debs that it has downloaded, sorted.
    pub(crate) fn downloaded(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("var/cache/apt/archives")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".deb"));
        names.sort();
        names
    }
}
