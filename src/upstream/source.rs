//! Source packages: a .dsc with one tarball, and their stanza in Sources (Debian Policy 5.4, 5.5).

use std::io;

use crate::digest::Sha256;

use crate::samples::{SampleCompression, pool_folder, stanza, without_epoch};

/// One source package to generate, in format 3.0 (native).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// Source package name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Binary packages that are built from it, separated by commas.
    pub binaries: String,
    /// `Section`.
    pub section: String,
    /// Content of its tarball before compression; any bytes, since nobody builds it.
    pub content: Vec<u8>,
    /// `Files` of its .dsc, with MD5 sums (Policy 5.6.21): the Policy demands it, and only old tools read it. Left out where
    /// empty.
    pub md5: String,
}

/// What a source package is in an archive.
pub(super) struct Built {
    /// Its stanza in Sources.
    pub(super) stanza: String,
    /// Path in the archive and bytes of each of its files.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

impl SourceSpec {
    /// A source package from which a binary package of the same name is built.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            binaries: name.into(),
            section: "misc".into(),
            content: format!("source of {name} {version}\n").into_bytes(),
            md5: String::new(),
        }
    }

    pub(super) fn build(&self, component: &str) -> io::Result<Built> {
        let folder = format!("pool/{component}/{}", pool_folder(&self.name));
        let base = format!("{}_{}", self.name, without_epoch(&self.version));
        let tarball = (format!("{base}.tar.xz"), SampleCompression::Xz.pack(&self.content)?);
        let dsc = (format!("{base}.dsc"), self.fields("Source", std::slice::from_ref(&tarball)).into_bytes());
        let files = [dsc, tarball];
        let mut index = self.fields("Package", &files);
        index.push_str(&stanza(&[("Directory", &folder), ("Priority", "optional"), ("Section", &self.section)]));
        let files = files.into_iter().map(|(name, bytes)| (format!("{folder}/{name}"), bytes)).collect();
        Ok(Built { stanza: index, files })
    }

    /// What .dsc and Sources have in common; `name_field` is what they call the source package.
    fn fields(&self, name_field: &str, files: &[(String, Vec<u8>)]) -> String {
        let line = |(name, bytes): &(String, Vec<u8>)| format!("\n {} {} {name}", Sha256::of(bytes), bytes.len());
        let digests: String = files.iter().map(line).collect();
        stanza(&[
            ("Format", "3.0 (native)"),
            (name_field, &self.name),
            ("Binary", &self.binaries),
            ("Architecture", "any"),
            ("Version", &self.version),
            ("Maintainer", "Gapferry Demo <demo@example.invalid>"),
            ("Standards-Version", "4.7.0"),
            ("Checksums-Sha256", &digests),
            ("Files", &self.md5),
        ])
    }
}
