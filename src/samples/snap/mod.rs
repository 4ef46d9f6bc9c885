//! Builds real snaps from a description.

mod squashfs;
mod tree;

use std::io::{self, Cursor, Seek, Write};

use super::payload::Payload;

use tree::Folder;

/// One snap to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapSpec {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its type, such as `app`, `base` or `snapd`. One that is an app has a program of its own name that prints its name and version.
    pub kind: &'static str,
    /// The base that it names, if any; `none` for one without programs.
    pub base: Option<String>,
    /// Architectures that it runs on, as dpkg calls them, or `all`.
    pub architectures: Vec<String>,
    /// More lines for its `meta/snap.yaml`.
    pub extra_yaml: String,
    /// Files besides those that every snap has.
    pub files: Vec<SnapFile>,
}

/// A file in a snap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapFile {
    /// Where it is, from the snap's root on.
    pub path: String,
    /// What it holds.
    pub content: Payload,
    /// Whether it can be run.
    pub executable: bool,
}

impl SnapSpec {
    /// An app of a few bytes for all architectures, in base `core24`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            kind: "app",
            base: Some("core24".into()),
            architectures: vec!["all".into()],
            extra_yaml: String::new(),
            files: Vec::new(),
        }
    }

    /// A snap that is no app, and has no base.
    pub fn of_kind(kind: &'static str, name: &str, version: &str) -> Self {
        Self { kind, base: None, ..Self::new(name, version) }
    }

    /// With one more file.
    #[must_use]
    pub fn with_file(mut self, path: &str, content: Payload) -> Self {
        self.files.push(SnapFile { path: path.into(), content, executable: false });
        self
    }

    /// With one more file, which can be run.
    #[must_use]
    pub fn with_program(mut self, path: &str, content: Payload) -> Self {
        self.files.push(SnapFile { path: path.into(), content, executable: true });
        self
    }

    /// Its `meta/snap.yaml`.
    pub fn yaml(&self) -> String {
        let Self { name, version, kind, .. } = self;
        let mut yaml = format!(
            "name: {name}\nversion: '{version}'\nsummary: generated snap {name}\n\
             description: Made for a demonstration; it does nothing.\ntype: {kind}\narchitectures: [{}]\n\
             confinement: strict\ngrade: stable\n",
            self.architectures.join(", "),
        );
        if let Some(base) = &self.base {
            yaml.push_str(&format!("base: {base}\n"));
        }
        if self.has_program() {
            yaml.push_str(&format!("apps:\n  {name}:\n    command: bin/{name}\n"));
        }
        yaml + &self.extra_yaml
    }

    /// snapd takes no programs in snaps with base `none`.
    fn has_program(&self) -> bool {
        self.kind == "app" && self.base.as_deref() != Some("none")
    }

    /// The files that every snap of this kind has.
    fn own_files(&self) -> Vec<SnapFile> {
        let file = |path: String, text: String, executable| SnapFile {
            path,
            content: Payload::Bytes(text.into_bytes()),
            executable,
        };
        let mut files = vec![file("meta/snap.yaml".into(), self.yaml(), false)];
        if self.has_program() {
            let Self { name, version, .. } = self;
            files.push(file(format!("bin/{name}"), format!("#!/bin/sh\necho '{name} {version}'\n"), true));
        }
        files
    }
}

/// The snap that `spec` describes; always the same bytes for the same description.
pub fn build_snap(spec: &SnapSpec) -> io::Result<Vec<u8>> {
    let mut snap = Cursor::new(Vec::new());
    write_snap(spec, &mut snap)?;
    Ok(snap.into_inner())
}

/// Writes the same to `target` from its start, without holding what the files contain.
pub fn write_snap(spec: &SnapSpec, target: &mut (impl Write + Seek)) -> io::Result<()> {
    let own = spec.own_files();
    let mut root = Folder::default();
    for file in own.iter().chain(&spec.files) {
        root.insert(file)?;
    }
    squashfs::write(&root, target)
}
