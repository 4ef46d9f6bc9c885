//! Writes `repomd.xml`.

use crate::digest::Sha256;
use crate::formats::signed_digest::SignedDigest;
use crate::path::{MalformedPath, PublishPath};

/// A file of metadata that `repomd.xml` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataLine {
    /// What it is, such as `primary`.
    pub kind: String,
    /// Where it is, below the repository's root.
    pub path: PublishPath,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size, in bytes.
    pub size: u64,
    /// The digest of what it holds, if that is known.
    pub open_digest: Option<SignedDigest>,
    /// How much it holds, in bytes, if that is known.
    pub open_size: Option<u64>,
}

/// The text of a `repomd.xml`, made at `date`, in Unix seconds.
pub fn repomd_text(lines: &[DataLine], date: i64) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n  \
         <revision>{date}</revision>\n"
    );
    for line in lines {
        // Kinds are those that we carry, and paths have no characters that XML would have to escape.
        text += &format!("  <data type=\"{}\">\n", quick_xml::escape::escape(line.kind.as_str()));
        text += &format!("    <checksum type=\"sha256\">{}</checksum>\n", line.sha256);
        if let Some(digest) = line.open_digest {
            let (kind, hex) = (digest.kind().as_str(), digest.to_hex());
            text += &format!("    <open-checksum type=\"{kind}\">{hex}</open-checksum>\n");
        }
        text += &format!("    <location href=\"{}\"/>\n", line.path);
        text += &format!("    <timestamp>{date}</timestamp>\n    <size>{}</size>\n", line.size);
        if let Some(size) = line.open_size {
            text += &format!("    <open-size>{size}</open-size>\n");
        }
        text += "  </data>\n";
    }
    text + "</repomd>\n"
}

/// The path of a file of metadata whose name starts with its digest, so that what bears the name never changes.
pub fn with_digest(path: &str, sha256: &Sha256) -> Result<PublishPath, MalformedPath> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let digest = sha256.to_hex();
    match name.starts_with(&format!("{digest}-")) {
        true => path.parse(),
        false => format!("{}{digest}-{name}", super::REPODATA).parse(),
    }
}
