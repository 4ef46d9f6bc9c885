//! Facts about the content of one package.

use std::collections::BTreeMap;
use std::io::Read;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::formats::ReadError;
use crate::formats::archive::{ArchiveEntry, EntryKind, EntryPlace};
use crate::formats::snap::SnapRights;
use crate::formats::snap::metadata::MAX_SNAP_YAML_BYTES;

/// The most facts of a package.
const MAX_FACTS: usize = 20_000;
/// The most bytes of their texts.
const MAX_FACT_BYTES: usize = 4 << 20;
/// The bits setuid and setgid.
const SETUID_SETGID: u32 = 0o6000;
/// The scripts that dpkg and debconf run (deb-preinst(5) and the like, debconf-devel(7)).
const SCRIPTS: [&str; 5] = ["/preinst", "/postinst", "/prerm", "/postrm", "/config"];
/// The folders of systemd (systemd.unit(5), systemd.generator(7)).
const UNIT_FOLDERS: [&str; 3] = ["/usr/lib/systemd/", "/etc/systemd/", "/usr/share/systemd/"];
/// The place where a snap says what it is, and the scripts that snapd runs.
const SNAP_YAML: &str = "/meta/snap.yaml";
const SNAP_HOOKS: &str = "/meta/hooks/";
/// The folders whose content Debian's merged /usr has below /usr.
const MERGED: [&str; 3] = ["/bin/", "/sbin/", "/lib"];

/// A kind of content that a reviewer might not expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FactKind {
    /// A file that runs with the rights of its owner or group, not of its caller.
    Setuid,
    /// A file with capabilities.
    Capabilities,
    /// A script that runs at installation or removal.
    Script,
    /// A unit of systemd, or a part of one.
    Unit,
    /// A timer of systemd.
    Timer,
    /// A job of cron.
    Cron,
    /// A snap that is not confined.
    Confinement,
    /// An interface of a snap.
    Interface,
}

impl FactKind {
    /// All kinds, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Setuid,
        Self::Capabilities,
        Self::Script,
        Self::Unit,
        Self::Timer,
        Self::Cron,
        Self::Confinement,
        Self::Interface,
    ];

    /// Its name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Setuid => "setuid or setgid file",
            Self::Capabilities => "file with capabilities",
            Self::Script => "maintainer script",
            Self::Unit => "systemd unit",
            Self::Timer => "systemd timer",
            Self::Cron => "cron job",
            Self::Confinement => "confinement",
            Self::Interface => "interface",
        }
    }

    /// Returns `true` if such a file gives its caller rights that they do not have.
    pub(super) fn gives_rights(self) -> bool {
        matches!(self, Self::Setuid | Self::Capabilities)
    }
}

/// The name of a fact: the same in two versions of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FactName {
    pub(super) kind: FactKind,
    pub(super) name: String,
}

/// The facts of a package, each with its value.
pub(super) type PackageFacts = BTreeMap<FactName, String>;

/// Collects the facts of one package.
#[derive(Debug, Default)]
pub(super) struct FactCollector {
    facts: PackageFacts,
    bytes: usize,
}

impl FactCollector {
    /// Takes note of an entry.
    pub(super) fn entry(&mut self, entry: &ArchiveEntry, content: &mut dyn Read) -> Result<(), ReadError> {
        match entry.place {
            // Those of RPM packages are all scripts.
            EntryPlace::Control => match SCRIPTS.contains(&entry.path.as_str()) || entry.path.starts_with('%') {
                true => self.add_content(FactKind::Script, entry.path.trim_start_matches('/'), entry, content),
                false => Ok(()),
            },
            EntryPlace::Payload => self.installed(entry, content),
        }
    }

    /// The bytes of the texts of its facts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the facts.
    pub(super) fn finish(self) -> PackageFacts {
        self.facts
    }

    fn installed(&mut self, entry: &ArchiveEntry, content: &mut dyn Read) -> Result<(), ReadError> {
        if entry.kind == EntryKind::File && entry.path == SNAP_YAML {
            return self.snap(content);
        }
        if entry.kind == EntryKind::File && entry.path.starts_with(SNAP_HOOKS) {
            self.add_content(FactKind::Script, entry.path.trim_start_matches('/'), entry, content)?;
            return Ok(());
        }
        let is_file = matches!(entry.kind, EntryKind::File | EntryKind::HardLink);
        let path = merged_path(&entry.path);
        if is_file && entry.mode & SETUID_SETGID != 0 {
            self.add(FactKind::Setuid, &path, format!("{:04o} {}", entry.mode, entry.owner))?;
        }
        if let Some(capabilities) = &entry.capabilities {
            self.add(FactKind::Capabilities, &path, capabilities.clone())?;
        }
        match startup_kind(&path).filter(|_| is_file || entry.kind == EntryKind::SymbolicLink) {
            Some(kind) => self.add_content(kind, &path, entry, content),
            None => Ok(()),
        }
    }

    /// Takes the rights that a snap asks for.
    fn snap(&mut self, content: &mut dyn Read) -> Result<(), ReadError> {
        let mut yaml = Vec::new();
        content.take(MAX_SNAP_YAML_BYTES + 1).read_to_end(&mut yaml)?;
        let rights = SnapRights::parse(&yaml)?;
        if rights.confinement != "strict" {
            self.add(FactKind::Confinement, "confinement", rights.confinement)?;
        }
        for (name, interface) in rights.interfaces {
            self.add(FactKind::Interface, &name, interface)?;
        }
        rights.services.into_iter().try_for_each(|(name, kind)| self.add(FactKind::Unit, &format!("app {name}"), kind))
    }

    /// Adds a fact whose value is the digest of the content, or the target of a link.
    fn add_content(
        &mut self,
        kind: FactKind,
        name: &str,
        entry: &ArchiveEntry,
        mut content: &mut dyn Read,
    ) -> Result<(), ReadError> {
        let value = match entry.kind {
            EntryKind::File => Sha256::of_reader(&mut content)?.0.to_hex(),
            _ => format!("link to {}", entry.link),
        };
        self.add(kind, name, value)
    }

    pub(super) fn add(&mut self, kind: FactKind, name: &str, value: String) -> Result<(), ReadError> {
        self.bytes = self.bytes.saturating_add(name.len()).saturating_add(value.len());
        self.facts.insert(FactName { kind, name: name.to_owned() }, value);
        match self.facts.len() > MAX_FACTS || self.bytes > MAX_FACT_BYTES {
            true => {
                Err(ReadError::invalid(format!("it has more than {MAX_FACTS} files of the kinds that are looked for")))
            }
            false => Ok(()),
        }
    }
}

/// Returns the kind of a file that starts programs by itself.
fn startup_kind(path: &str) -> Option<FactKind> {
    let in_systemd = UNIT_FOLDERS.iter().find_map(|folder| path.strip_prefix(folder));
    let is_unit = in_systemd.is_some_and(|rest| {
        let folder = rest.split_once('/').map(|(folder, _)| folder).unwrap_or_default();
        ["system", "user"].iter().any(|level| folder == *level || folder.starts_with(&format!("{level}-")))
    });
    match path.strip_prefix("/etc/cron") {
        Some(job) if !job.ends_with("/.placeholder") => Some(FactKind::Cron),
        _ if is_unit && path.ends_with(".timer") => Some(FactKind::Timer),
        _ => is_unit.then_some(FactKind::Unit),
    }
}

/// Returns the path that a file has where /bin, /sbin and /lib are links into /usr, so that a move between these is no change.
fn merged_path(path: &str) -> String {
    match MERGED.iter().any(|folder| path.starts_with(folder)) {
        true => format!("/usr{path}"),
        false => path.to_owned(),
    }
}
