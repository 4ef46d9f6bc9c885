//! Builds real .debs (deb(5)) from a description.

use std::io::{self, Write};

use super::packing::SampleCompression;
use super::payload::Payload;
use super::{DEFAULT_DATE, pool_folder, stanza, without_epoch};

/// One binary package to generate. Relation fields are as Debian Policy 7.1 writes them; an empty one is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebSpec {
    /// Package name.
    pub name: String,
    /// Version, with epoch and revision.
    pub version: String,
    /// Architecture; `all` goes into the indexes of every architecture.
    pub architecture: String,
    /// Source package if it is named otherwise, `NAME` or `NAME (VERSION)`.
    pub source: String,
    /// `Section`.
    pub section: String,
    /// `Priority`.
    pub priority: String,
    /// Whether it is `Essential: yes`.
    pub essential: bool,
    /// `Multi-Arch`.
    pub multi_arch: String,
    /// `Pre-Depends`.
    pub pre_depends: String,
    /// `Depends`.
    pub depends: String,
    /// `Recommends`.
    pub recommends: String,
    /// `Suggests`.
    pub suggests: String,
    /// `Provides`.
    pub provides: String,
    /// `Conflicts`.
    pub conflicts: String,
    /// `Breaks`.
    pub breaks: String,
    /// `Replaces`.
    pub replaces: String,
    /// More fields for its control file.
    pub extra: Vec<(String, String)>,
    /// Fields that stand in its Packages stanza instead of the true ones (`Filename`, `Size`, `SHA256`) or besides them.
    pub index_fields: Vec<(String, String)>,
    /// Content of the one file that it installs, `/usr/share/gapferry-demo/NAME`.
    pub payload: Payload,
    /// Compression of control.tar and data.tar.
    pub packing: SampleCompression,
}

impl DebSpec {
    /// A package of a few bytes without any relations, packed with xz.
    pub fn new(name: &str, version: &str, architecture: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            architecture: architecture.into(),
            source: String::new(),
            section: "misc".into(),
            priority: "optional".into(),
            essential: false,
            multi_arch: String::new(),
            pre_depends: String::new(),
            depends: String::new(),
            recommends: String::new(),
            suggests: String::new(),
            provides: String::new(),
            conflicts: String::new(),
            breaks: String::new(),
            replaces: String::new(),
            extra: Vec::new(),
            index_fields: Vec::new(),
            payload: Payload::Bytes(format!("{name} {version}\n").into_bytes()),
            packing: SampleCompression::Xz,
        }
    }

    /// Its description: the short one, and the lines that continue it, as they stand in its control file.
    pub(crate) fn description(&self) -> (String, &'static str) {
        (format!("generated package {}", self.name), " Made for a demonstration; it does nothing.")
    }

    /// Its control file.
    pub fn control(&self) -> String {
        let (short, long) = self.description();
        self.fields(&[("Description", &format!("{short}\n{long}"))])
    }

    /// Its control file with `description` as the description's fields.
    pub(crate) fn fields(&self, description: &[(&str, &str)]) -> String {
        let installed_kib = self.payload.size().div_ceil(1024).max(1).to_string();
        let fields = [
            ("Package", self.name.as_str()),
            ("Source", &self.source),
            ("Version", &self.version),
            ("Architecture", &self.architecture),
            ("Essential", if self.essential { "yes" } else { "" }),
            ("Multi-Arch", &self.multi_arch),
            ("Maintainer", "Gapferry Demo <demo@example.invalid>"),
            ("Installed-Size", &installed_kib),
            ("Pre-Depends", &self.pre_depends),
            ("Depends", &self.depends),
            ("Recommends", &self.recommends),
            ("Suggests", &self.suggests),
            ("Provides", &self.provides),
            ("Conflicts", &self.conflicts),
            ("Breaks", &self.breaks),
            ("Replaces", &self.replaces),
            ("Section", &self.section),
            ("Priority", &self.priority),
        ];
        let mut control = stanza(&fields) + &stanza(description);
        for (name, value) in &self.extra {
            control.push_str(&format!("{name}: {value}\n"));
        }
        control
    }

    /// Where it stands in an archive, if `component` is its component: `pool/main/n/nginx/nginx_1.0-1_amd64.deb`.
    pub fn pool_path(&self, component: &str) -> String {
        let source = self.source.split(' ').next().filter(|source| !source.is_empty()).unwrap_or(&self.name);
        let version = without_epoch(&self.version);
        format!("pool/{component}/{}/{}_{version}_{}.deb", pool_folder(source), self.name, self.architecture)
    }
}

/// The .deb that `spec` describes; always the same bytes for the same description.
pub fn build_deb(spec: &DebSpec) -> io::Result<Vec<u8>> {
    let mut deb = b"!<arch>\n".to_vec();
    deb = append_member(deb, "debian-binary", SampleCompression::Plain, |writer| writer.write_all(b"2.0\n"))?;
    let control = spec.control();
    deb = append_member(deb, "control.tar", spec.packing, |writer| {
        let mut tar = tar::Builder::new(writer);
        append_folder(&mut tar, "./")?;
        append_file(&mut tar, "./control", control.len() as u64, control.as_bytes())?;
        tar.finish()
    })?;
    append_member(deb, "data.tar", spec.packing, |writer| {
        let mut tar = tar::Builder::new(writer);
        for folder in ["./", "./usr/", "./usr/share/", "./usr/share/gapferry-demo/"] {
            append_folder(&mut tar, folder)?;
        }
        let path = format!("./usr/share/gapferry-demo/{}", spec.name);
        append_file(&mut tar, &path, spec.payload.size(), spec.payload.reader())?;
        tar.finish()
    })
}

const HEADER_BYTES: usize = 60;

/// Appends one ar(5) member. Its size is put into the header afterwards, so that nothing is held twice.
fn append_member(
    mut archive: Vec<u8>,
    name: &str,
    packing: SampleCompression,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let start = archive.len();
    archive.resize(start + HEADER_BYTES, b' ');
    let (mut archive, ()) = packing.pack_into(archive, fill)?;
    let size = archive.len() - start - HEADER_BYTES;
    let name = format!("{name}{}", packing.suffix());
    let header = format!("{name:<16}{DEFAULT_DATE:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644");
    archive.splice(start..start + HEADER_BYTES, header.into_bytes());
    if size % 2 == 1 {
        archive.push(b'\n');
    }
    Ok(archive)
}

fn append_folder(tar: &mut tar::Builder<impl Write>, path: &str) -> io::Result<()> {
    let mut header = header(path, tar::EntryType::Directory, 0o755, 0)?;
    header.set_cksum();
    tar.append(&header, io::empty())
}

fn append_file(tar: &mut tar::Builder<impl Write>, path: &str, size: u64, content: impl io::Read) -> io::Result<()> {
    let mut header = header(path, tar::EntryType::Regular, 0o644, size)?;
    header.set_cksum();
    tar.append(&header, content)
}

/// A header whose name keeps the leading `./` that dpkg-deb writes, which `tar::Header::set_path` would drop.
fn header(path: &str, kind: tar::EntryType, mode: u32, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    let name = header.as_old_mut().name.get_mut(..path.len());
    name.ok_or_else(|| io::Error::other("package name too long for a tar header"))?.copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(DEFAULT_DATE.unsigned_abs());
    Ok(header)
}
