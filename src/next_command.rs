//! Commands that messages print for the reader to run next.
//!
//! Each command is built here, from the values that the message is about, and is quoted for a shell. So it runs as printed,
//! and the unit tests of `cli` parse every one of them with the real command line.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::label::Label;
use crate::numbers::VolumeNumber;
use crate::shell::quoted;

/// The site's folder in README.md and in the systemd units, for messages that are printed where the real one is not known.
pub(crate) const USUAL_SITE: &str = "/srv/gapferry";
/// The builder's secret key as README.md calls it, for messages that are printed where the real one is not known.
const USUAL_KEY: &str = "builder.key";
/// The site's public key as `export` of requests calls it, see [`SITE_KEY`].
pub(crate) const SITE_KEY: &str = "site.asc";

/// A command line, with its words quoted for a shell where that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand(Vec<OsString>);

impl ShellCommand {
    /// Starts a command of gapferry's from words that need no quotes.
    fn gapferry(words: &str) -> Self {
        Self::new("gapferry").words(words)
    }

    fn new(program: &str) -> Self {
        Self(vec![program.into()])
    }

    fn words(mut self, words: &str) -> Self {
        self.0.extend(words.split_whitespace().map(OsString::from));
        self
    }

    fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.push(arg.as_ref().to_owned());
        self
    }

    /// Adds a path, which is not taken for an option even if it begins like one.
    fn path(self, path: &Path) -> Self {
        match path.as_os_str().as_bytes().first() {
            Some(b'-') => self.arg(Path::new(".").join(path)),
            _ => self.arg(path),
        }
    }

    /// Adds `--workspace`, unless the command uses the workspace anyway.
    fn workspace(self, named: Option<&Path>) -> Self {
        match named {
            None => self,
            Some(root) => self.arg("--workspace").path(root),
        }
    }

    fn site(self, root: &Path) -> Self {
        self.arg("--site").path(root)
    }

    /// Returns the words without quotes.
    #[cfg(test)]
    pub(crate) fn unquoted(&self) -> &[OsString] {
        &self.0
    }
}

impl fmt::Display for ShellCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// Volumes of one packing that are lost or damaged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LostVolumes<'a> {
    /// The packing's ID.
    pub(crate) packing: &'a str,
    /// The volumes, counted from 1; at least one.
    pub(crate) numbers: &'a BTreeSet<VolumeNumber>,
}

/// On the online host: accepts a receipt though a newer one was accepted before.
pub(crate) fn confirm_older_receipt(receipt: &Path, workspace: &Path) -> ShellCommand {
    let confirm = ShellCommand::gapferry("confirm --allow-older-receipt --receipt").path(receipt);
    confirm.workspace(Some(workspace))
}

/// On the online host: makes these volumes of a bundle again, or all of them if none are given.
pub(crate) fn recut(
    bundle: &Path,
    volumes: Option<LostVolumes<'_>>,
    out: &Path,
    workspace: Option<&Path>,
) -> ShellCommand {
    recut_words(bundle, volumes, out).workspace(workspace)
}

/// The same, printed on another host, which does not know the workspace.
pub(crate) fn recut_elsewhere(bundle: &str, volumes: Option<LostVolumes<'_>>) -> ShellCommand {
    recut_words(Path::new(bundle), volumes, Path::new("."))
}

fn recut_words(bundle: &Path, volumes: Option<LostVolumes<'_>>, out: &Path) -> ShellCommand {
    let mut command = ShellCommand::gapferry("recut").path(bundle);
    if let Some(LostVolumes { packing, numbers }) = volumes {
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        command = command.arg("--packing").arg(packing).arg("--volumes").arg(numbers.join(","));
    }
    command.arg("--out").path(out)
}

/// On the online host: copies the item lists of a bundle into the folder of a workspace that keeps them.
pub(crate) fn restore_item_lists(bundle: &Path, to: &Path) -> ShellCommand {
    ShellCommand::new("cp").words("-rT").path(&bundle.join("items")).path(&to.join("items"))
}

/// A packing of a bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackingName<'a> {
    /// The bundle's name.
    pub(crate) bundle: &'a str,
    /// The packing's ID.
    pub(crate) id: &'a str,
}

/// On the online host: packs what the packing carries into new volumes of at most `volume_size` bytes.
pub(crate) fn repack(
    PackingName { bundle, id }: PackingName<'_>,
    volume_size: u64,
    out: &Path,
    workspace: Option<&Path>,
) -> ShellCommand {
    let command = ShellCommand::gapferry("recut").arg(bundle).arg("--packing").arg(id);
    let command = command.arg("--volume-size").arg(volume_size.to_string()).arg("--out").path(out);
    command.arg("--key").arg(USUAL_KEY).workspace(workspace)
}

/// On the online host, in the folder that has the request and [`SITE_KEY`]: packs what the request asks for.
pub(crate) fn answer_request(bundle: &str, request: &Path) -> ShellCommand {
    let request = Path::new(request.file_name().unwrap_or_default());
    let command = ShellCommand::gapferry("recut").arg(bundle).arg("--request").path(request);
    command.words("--site-key").arg(SITE_KEY).words("--out . --key").arg(USUAL_KEY)
}

/// On the online host, in the folder that has the receipt and [`SITE_KEY`]: notes what the receipt says.
pub(crate) fn confirm_receipt(receipt: &Path) -> ShellCommand {
    let receipt = Path::new(receipt.file_name().unwrap_or_default());
    ShellCommand::gapferry("confirm --receipt").path(receipt).arg("--site-key").arg(SITE_KEY)
}

/// On the online host: makes the recovery data of a bundle again.
pub(crate) fn protect(bundle: &Path, percent: Option<u32>, spares: u32) -> ShellCommand {
    let mut command = ShellCommand::gapferry("protect").path(bundle);
    if let Some(percent) = percent {
        command = command.arg("--recovery").arg(format!("{percent}%"));
    }
    if spares > 0 {
        command = command.arg("--spare-volumes").arg(spares.to_string());
    }
    command
}

/// On the online host: goes on with a copy, with the options that the next medium needs too.
pub(crate) fn copy(bundle: &Path, targets: &[PathBuf], options: &[&str], workspace: Option<&Path>) -> ShellCommand {
    let command =
        targets.iter().fold(ShellCommand::gapferry("copy").path(bundle), |command, target| command.path(target));
    options.iter().fold(command, |command, option| command.arg(option)).workspace(workspace)
}

/// On the site's host, in a medium's folder or in that of a bundle: imports it.
pub(crate) fn import_here(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("import .").site(site)
}

/// On the site's host: takes the statement of a reviewer, and publishes what then is approved.
pub(crate) fn import_approval(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("import approval.json").site(site)
}

/// On a reviewer's host: approves a bundle.
pub(crate) fn approve(bundle: &str) -> ShellCommand {
    ShellCommand::gapferry("approve").path(Path::new(bundle)).words("--key reviewer.key")
}

/// On the site's host, in a medium's folder or in that of a bundle: replaces what has changed on disk from it.
pub(crate) fn heal_here(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("site check --repair --from .").site(site)
}

/// On the site's host: reads every file of the site again.
pub(crate) fn site_check(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("site check").site(site)
}

/// On the site's host: the same, and moves wrong blobs away.
pub(crate) fn site_repair(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("site check --repair").site(site)
}

/// On the site's host: removes what no kept generation needs.
pub(crate) fn gc(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("gc").site(site)
}

/// On the site's host: says what the site holds of the bundles of this name.
pub(crate) fn receipt(site: &Path, name: &Label) -> ShellCommand {
    ShellCommand::gapferry("receipt").site(site).arg("--name").arg(name.as_str())
}

/// On the site's host: makes a site. Its name and the builder's key are those of README.md.
pub(crate) fn init(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("site init").site(site).words("--name dc1 --builder builder.key.pub")
}

/// On the site's host: pins upstream's keyring for a source.
pub(crate) fn pin(site: &Path, source: &str) -> ShellCommand {
    let keyring = PathBuf::from(format!("{source}.gpg"));
    ShellCommand::gapferry("site pin").site(site).arg("--source").arg(source).arg("--keyring").path(&keyring)
}

/// On the site's host: pins a keyring for a source besides those that are pinned.
pub(crate) fn pin_too(site: &Path, source: &str, keyring: &Path) -> ShellCommand {
    let command = ShellCommand::gapferry("site pin").site(site).arg("--source").arg(source);
    command.arg("--keyring").path(keyring).words("--add")
}

/// On the site's host: shows what is published, and the generations.
pub(crate) fn status(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("status").site(site)
}

/// On the site's host: publishes the state before the current one again.
pub(crate) fn rollback(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("rollback").site(site)
}

/// On the site's host: publishes the content of generation `number` again.
pub(crate) fn rollback_to(site: &Path, number: u64) -> ShellCommand {
    ShellCommand::gapferry("rollback").arg(number.to_string()).site(site)
}

/// On the site's host: brings the states of these bundle names in generation `number` back.
pub(crate) fn rollback_names(site: &Path, number: u64, names: &[&Label]) -> ShellCommand {
    names.iter().fold(rollback_to(site, number), |command, name| command.arg("--name").arg(name.as_str()))
}

/// On the site's host: publishes the current state again, with right dates.
pub(crate) fn redate(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("site redate").site(site)
}

/// On the site's host: begins to replace the site's key.
pub(crate) fn rotate_key(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("site rotate-key").site(site)
}

/// On the site's host: replaces the site's key at once.
pub(crate) fn rotate_key_now(site: &Path) -> ShellCommand {
    rotate_key(site).arg("--now")
}

/// On the site's host: ends the time in which two keys sign.
pub(crate) fn rotate_key_finish(site: &Path) -> ShellCommand {
    rotate_key(site).arg("--finish")
}

/// On the site's host: hands exports on to the Enterprise Store again.
pub(crate) fn push(site: &Path) -> ShellCommand {
    ShellCommand::gapferry("push").site(site)
}

/// On the site's host: serves the site.
pub(crate) fn serve(site: &Path, listen: &str) -> ShellCommand {
    ShellCommand::gapferry("serve").site(site).arg("--listen").arg(listen)
}

/// On the MAAS host with the site's folder on it: lets that MAAS take its images and packages from the site.
pub(crate) fn maas_apply(site: &Path, serve_url: &str) -> ShellCommand {
    let command = ShellCommand::gapferry("maas apply").site(site).words("--url http://localhost:5240/MAAS");
    command.words("--api-key-file maas.key --serve-url").arg(serve_url)
}

/// On the host that has the builder's secret key: signs the file for this namespace (ssh-keygen(1), `-Y sign`).
pub(crate) fn sign(file: &Path, namespace: &str) -> ShellCommand {
    ShellCommand::new("ssh-keygen").words("-Y sign -n").arg(namespace).arg("-f").arg(USUAL_KEY).path(file)
}

/// On the host of a root person: signs a trust file.
pub(crate) fn trust_sign(file: &Path) -> ShellCommand {
    ShellCommand::gapferry("trust sign").path(file).words("--key root.key")
}

/// On any host that has it: shows a trust file, or that of a site.
pub(crate) fn trust_show(path: &Path) -> ShellCommand {
    ShellCommand::gapferry("trust show").path(path)
}

/// Takes the permission to read a file away from all but its owner.
pub(crate) fn make_private(path: &Path) -> ShellCommand {
    ShellCommand::new("chmod").arg("600").path(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;
    use std::process::Command;

    use super::*;
    use crate::terminal::safe;

    #[test]
    fn a_shell_sees_the_words_that_were_put_in() {
        let hostile =
            [&b"a b"[..], b"'; id; '", b"$(id)", b"a\nb", b"\x1b[2J", "\u{202e}ü".as_bytes(), b"\xff'\\", b"~"];
        for bytes in hostile {
            let word = OsString::from_vec(bytes.to_vec());
            let text = ShellCommand::new("printf").arg("%s").arg(&word).to_string();
            assert_eq!(safe(&text).to_string(), text, "a terminal shows it as it is");
            let output = Command::new("bash").args(["-c", &text]).output().unwrap();
            assert_eq!(output.stdout, bytes, "{text}");
        }
    }

    #[test]
    fn options_stay_options() {
        let command = recut(
            Path::new("-x"),
            Some(LostVolumes { packing: "0c10e1453cb5", numbers: &VolumeNumber::at(6).into_iter().collect() }),
            Path::new("a b"),
            Some(Path::new("/w")),
        );
        assert_eq!(
            command.to_string(),
            "gapferry recut ./-x --packing 0c10e1453cb5 --volumes 7 --out 'a b' --workspace /w"
        );
        assert_eq!(
            sign(Path::new("out/manifest.json"), "a@b").to_string(),
            "ssh-keygen -Y sign -n a@b -f builder.key out/manifest.json"
        );
    }
}
