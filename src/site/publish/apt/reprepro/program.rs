//! Runs reprepro and gpg: with nothing of our environment, and what they said kept for the error.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::PublishError;
use crate::error_class::Fault;
use crate::storage::FileError;
use crate::terminal::safe;

/// How much of a program's words is kept, in characters.
const KEPT: usize = 600;

/// A program that is run several times.
#[derive(Clone, Debug)]
pub(super) struct Program {
    name: &'static str,
    package: &'static str,
    /// The base folder, which is also where it runs.
    base: PathBuf,
    /// gpg's folder.
    home: PathBuf,
}

impl Program {
    /// reprepro over the base folder, signing with what gpg has in `home`.
    pub(super) fn reprepro(base: &Path, home: &Path) -> Self {
        Self { name: "reprepro", package: "reprepro", base: base.to_owned(), home: home.to_owned() }
    }

    /// gpg with this folder of its own.
    pub(super) fn gpg(base: &Path, home: &Path) -> Self {
        Self { name: "gpg", package: "gnupg", base: base.to_owned(), home: home.to_owned() }
    }

    /// What ends gpg's agent and other helpers.
    pub(super) fn gpgconf(base: &Path, home: &Path) -> Self {
        Self { name: "gpgconf", package: "gnupg", base: base.to_owned(), home: home.to_owned() }
    }

    /// Runs it, and returns what it wrote to stdout; anything but success is an error.
    pub(super) fn run<A: AsRef<OsStr>>(&self, what: &str, arguments: &[A]) -> Result<Vec<u8>, PublishError> {
        let output = self.output(arguments, &[])?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => {
                let (name, status, end, base) = (self.name, output.status, end_of(&output), self.base.display());
                Err(PublishError::InDoubt(Fault::failed(format!(
                    "{name} {what} ended with {status}: {end}; once its cause is gone, the same command builds {base} again \
                     from the depot"
                ))))
            }
        }
    }

    /// Runs it with `input` on stdin, however it ends.
    pub(super) fn output<A: AsRef<OsStr>>(&self, arguments: &[A], input: &[u8]) -> Result<Output, PublishError> {
        let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut command = Command::new(self.name);
        command.env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("HOME", &self.base);
        command.env("GNUPGHOME", &self.home);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if self.name == "reprepro" {
            command.arg("--basedir").arg(&self.base);
        }
        command.args(arguments).current_dir(&self.base);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = || {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A program that does not read all of it says why by how it ends.
                let _ = stdin.write_all(input);
            }
            child.wait_with_output()
        };
        run().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Fault::failed(format!(
                "{} is not here: install the package {} and run the same again, or have the source published with publish = \
                 \"re-indexed\", which needs neither",
                self.name, self.package
            ))
            .into(),
            _ => FileError::on("run", Path::new(self.name))(error),
        })
    }
}

/// Makes the error of a line that a program wrote.
pub(super) fn unreadable(program: &str, line: &str) -> PublishError {
    PublishError::InDoubt(Fault::failed(format!("{program} said {line:?}, which we do not understand")))
}

/// The end of what a program said on stderr, on one line; a key's secret is never among it.
pub(super) fn end_of(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let skip = line.chars().count().saturating_sub(KEPT);
    safe(&line.chars().skip(skip).collect::<String>()).to_string()
}
