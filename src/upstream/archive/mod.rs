//! A whole archive: suites of components of packages, written as `dists/` and `pool/`.

pub(super) mod release;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use crate::digest::Sha256;
use crate::formats::apt::archive::MAX_INDEX_BYTES;
use crate::formats::compression::{Compression, decompress};
use crate::formats::openpgp::SiteKey;

use self::release::ReleaseLine;
use super::client_index::{ComponentIndexes, packages_stanza};
use super::pdiff::{Pdiff, States};
use super::{DEFAULT_DATE, DebSpec, SampleCompression, SourceSpec, build_deb};

/// A generated archive: what it is called, how it is written, and its suites.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `Origin` of its Release files.
    pub origin: String,
    /// `Label` of its Release files.
    pub label: String,
    /// Architectures with an index of their own.
    pub architectures: Vec<String>,
    /// Whether indexes stand under `by-hash/SHA256/` too.
    pub by_hash: bool,
    /// Compressions of the indexes; Release names the plain one whether or not it is written.
    pub indexes: BTreeSet<SampleCompression>,
    /// Adds the indexes that clients ask for besides those of packages: Translation, Contents, dep11 and cnf. Without them,
    /// Packages has whole descriptions.
    pub client_indexes: bool,
    /// Adds patches to each index, from the states that were written to the same folder before.
    pub pdiffs: bool,
    /// Signed as Release with Release.gpg instead of InRelease.
    pub split_signature: bool,
    suites: BTreeMap<String, Suite>,
}

/// One suite of a generated archive.
#[derive(Clone, Debug)]
pub struct Suite {
    /// `Codename`.
    pub codename: String,
    /// `Date`, and when it was signed, in Unix seconds.
    pub date: i64,
    /// `Valid-Until`, in Unix seconds.
    pub valid_until: Option<i64>,
    /// Changes the text of Release before it is signed.
    pub edit_release: fn(String) -> String,
    pub(super) components: BTreeMap<String, Component>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Component {
    debs: Vec<DebSpec>,
    sources: Vec<SourceSpec>,
}

impl Upstream {
    /// An empty archive with .xz and .gz indexes by hash, and InRelease files.
    pub fn new(origin: &str, architectures: &[&str]) -> Self {
        Self {
            origin: origin.into(),
            label: origin.into(),
            architectures: architectures.iter().map(|&architecture| architecture.into()).collect(),
            by_hash: true,
            indexes: BTreeSet::from([SampleCompression::Gzip, SampleCompression::Xz]),
            client_indexes: true,
            pdiffs: false,
            split_signature: false,
            suites: BTreeMap::new(),
        }
    }

    /// The suite of this name; one with the same codename and [`DEFAULT_DATE`] if there is none yet.
    pub fn suite(&mut self, name: &str) -> &mut Suite {
        self.suites.entry(name.into()).or_insert_with(|| Suite {
            codename: name.into(),
            date: DEFAULT_DATE,
            valid_until: None,
            edit_release: |text| text,
            components: BTreeMap::new(),
        })
    }

    /// Adds a package; suite and component come to be with their first one.
    pub fn add(&mut self, suite: &str, component: &str, deb: DebSpec) -> &mut Self {
        self.suite(suite).component(component).debs.push(deb);
        self
    }

    /// Adds a source package.
    pub fn add_source(&mut self, suite: &str, component: &str, source: SourceSpec) -> &mut Self {
        self.suite(suite).component(component).sources.push(source);
        self
    }

    /// Writes `dists/` and `pool/` in `dir`, signed by `key`: first the pool, last each Release.
    ///
    /// What is there and named alike is replaced; nothing is removed.
    pub fn write_to(&self, dir: &Path, key: &SiteKey) -> io::Result<()> {
        for (name, suite) in &self.suites {
            let root = dir.join("dists").join(name);
            let mut lines = Vec::new();
            for (component, content) in &suite.components {
                for (path, text) in self.indexes_of(dir, component, content)? {
                    self.write_index(&root, &path, text.as_bytes(), &mut lines)?;
                }
            }
            self.write_release(&root, &release::text(self, name, suite, &lines), suite.date, key)?;
        }
        Ok(())
    }

    /// Writes the pool files of a component; returns path and text of its indexes.
    fn indexes_of(&self, dir: &Path, component: &str, content: &Component) -> io::Result<Vec<(String, String)>> {
        let mut packages: BTreeMap<&str, String> =
            self.architectures.iter().map(|architecture| (architecture.as_str(), String::new())).collect();
        let mut client_indexes = ComponentIndexes::new(component, &self.architectures);
        for deb in &content.debs {
            let stanza = self.write_deb(dir, component, deb)?;
            client_indexes.add(deb);
            for (architecture, index) in &mut packages {
                if deb.architecture == "all" || deb.architecture == *architecture {
                    index.push_str(&stanza);
                    index.push('\n');
                }
            }
        }
        let mut sources = String::new();
        for source in &content.sources {
            let built = source.build(component)?;
            for (path, bytes) in built.files {
                write(&dir.join(path), &bytes)?;
            }
            sources.push_str(&built.stanza);
            sources.push('\n');
        }
        let binary = |(architecture, text)| (format!("{component}/binary-{architecture}/Packages"), text);
        let mut indexes: Vec<_> = packages.into_iter().map(binary).collect();
        if !sources.is_empty() {
            indexes.push((format!("{component}/source/Sources"), sources));
        }
        if self.client_indexes {
            indexes.extend(client_indexes.texts(&self.origin));
        }
        Ok(indexes)
    }

    /// Writes a .deb into the pool; returns its stanza in Packages.
    fn write_deb(&self, dir: &Path, component: &str, deb: &DebSpec) -> io::Result<String> {
        let bytes = build_deb(deb)?;
        let path = deb.pool_path(component);
        write(&dir.join(&path), &bytes)?;
        let mut stanza = if self.client_indexes { packages_stanza(deb) } else { deb.control() };
        let truth = [("Filename", path), ("Size", bytes.len().to_string()), ("SHA256", Sha256::of(&bytes).to_hex())];
        for (name, value) in truth {
            if deb.index_fields.iter().all(|(other, _)| other != name) {
                stanza.push_str(&format!("{name}: {value}\n"));
            }
        }
        for (name, value) in &deb.index_fields {
            stanza.push_str(&format!("{name}: {value}\n"));
        }
        Ok(stanza)
    }

    fn write_index(&self, root: &Path, path: &str, text: &[u8], lines: &mut Vec<ReleaseLine>) -> io::Result<()> {
        let before = if self.pdiffs { self.text_before(root, path)? } else { None };
        // apt takes an index for absent if Release does not name it uncompressed, even if only .xz is there.
        let mut packings = self.indexes.clone();
        packings.insert(SampleCompression::Plain);
        for packing in packings {
            let packed = packing.pack(text)?;
            let line = ReleaseLine {
                path: format!("{path}{}", packing.suffix()),
                size: packed.len(),
                sha256: Sha256::of(&packed),
            };
            if self.indexes.contains(&packing) {
                self.write_named(&root.join(&line.path), &packed)?;
            }
            lines.push(line);
        }
        match before {
            Some(before) => self.write_pdiff(root, path, States { before: &before, now: text }, lines),
            None => Ok(()),
        }
    }

    /// Returns the text that an index has had so far.
    fn text_before(&self, root: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
        for packing in &self.indexes {
            let name = format!("{path}{}", packing.suffix());
            match fs::read(root.join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => {
                    let text = decompress(&other?, Compression::of_name(&name), MAX_INDEX_BYTES);
                    return text.map(Some).map_err(io::Error::other);
                }
            }
        }
        Ok(None)
    }

    /// Writes the patch of an index from its state before to its present one, and the list of its patches.
    fn write_pdiff(&self, root: &Path, path: &str, states: States<'_>, lines: &mut Vec<ReleaseLine>) -> io::Result<()> {
        let folder = root.join(format!("{path}.diff"));
        let Some(pdiff) = Pdiff::new(&folder, states)? else { return Ok(()) };
        if let Some(patch) = pdiff.patch {
            self.write_named(&folder.join(patch.name), &patch.bytes)?;
        }
        self.write_named(&folder.join("Index"), &pdiff.list)?;
        let (size, sha256) = (pdiff.list.len(), Sha256::of(&pdiff.list));
        lines.push(ReleaseLine { path: format!("{path}.diff/Index"), size, sha256 });
        Ok(())
    }

    /// Writes a file under its name, and by its digest if the archive has that.
    fn write_named(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        write(file, bytes)?;
        match self.by_hash {
            true => write(&file.with_file_name("by-hash").join("SHA256").join(Sha256::of(bytes).to_hex()), bytes),
            false => Ok(()),
        }
    }

    fn write_release(&self, root: &Path, text: &str, date: i64, key: &SiteKey) -> io::Result<()> {
        if self.split_signature {
            write(&root.join("Release"), text.as_bytes())?;
            let signature = key.sign_detached(text.as_bytes(), date).map_err(io::Error::other)?;
            write(&root.join("Release.gpg"), signature.as_bytes())
        } else {
            write(&root.join("InRelease"), key.sign_clear(text, date).map_err(io::Error::other)?.as_bytes())
        }
    }
}

impl Suite {
    fn component(&mut self, name: &str) -> &mut Component {
        self.components.entry(name.into()).or_default()
    }
}

/// Writes a file through a name of its own, so that a server never shows half of it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}
