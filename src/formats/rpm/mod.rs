//! RPM repositories: `repomd.xml`, the metadata that it names, and the order of versions.
//!
//! There is no specification; the yardstick is what createrepo_c writes and what librepo and libsolv read
//! (<https://rpm-software-management.github.io/createrepo_c/>). Metadata is read as a stream, since the list of files of a
//! distribution takes hundreds of megabytes. It is cut by copying the bytes of the packages that stay, so that all that
//! upstream says of them stays.

mod contents;
mod deltas;
mod elements;
pub mod evr;
mod filter;
mod header;
mod location;
mod modules;
mod package;
mod repomd;
mod write;
mod xml;

pub use contents::walk_rpm;
pub use deltas::{DELTAS, deltas};
pub use evr::Evr;
pub use filter::{Cut, cut_by, cut_packages};
pub use modules::Modules;
pub use package::{OddEntry, Package, packages};
pub use repomd::{Data, Repomd};
pub use write::{DataLine, repomd_text, with_digest};

use crate::formats::Invalid;
use crate::formats::signed_digest::DigestKind;

/// Where a repository's signed file is.
pub const REPOMD: &str = "repodata/repomd.xml";
/// The signature beside it.
pub const REPOMD_ASC: &str = "repodata/repomd.xml.asc";
/// The keys that signed it, where zypper looks for them.
pub const REPOMD_KEY: &str = "repodata/repomd.xml.key";
/// The folder of all metadata.
pub const REPODATA: &str = "repodata/";
/// The largest signed file or signature that is read, in bytes. Real ones have less than 20 kB.
pub const MAX_REPOMD_BYTES: u64 = 1 << 20;
/// The largest file of metadata that is taken, in bytes, compressed as it is.
pub const MAX_DATA_BYTES: u64 = 1 << 30;
/// The most that a file of metadata may hold, in bytes. The largest real lists of files have less than 1 GiB.
pub const MAX_OPEN_BYTES: u64 = 4 << 30;

/// The list of packages.
pub const PRIMARY: &str = "primary";
/// The metadata that lists packages, one element for each.
pub const LISTS: [&str; 3] = [PRIMARY, "filelists", "other"];
/// The list of module streams.
pub const MODULES: &str = "modules";

/// Refuses a location below a base from which nothing can be fetched.
fn other_base(place: &str, base: &str) -> Invalid {
    Invalid::new(format!("{place} is at another base than the repository, which is not an HTTP address: {base}"))
}

/// The digest that metadata calls by this name. `sha` is SHA-1, from the days of yum.
fn checksum_kind(name: &str, place: impl FnOnce() -> String) -> Result<DigestKind, Invalid> {
    match name {
        "sha256" => Ok(DigestKind::Sha256),
        "sha384" => Ok(DigestKind::Sha384),
        "sha512" => Ok(DigestKind::Sha512),
        "md5" | "sha" | "sha1" => Err(Invalid::new(format!(
            "{} has a checksum of type {name:?}, which is broken: it does not prove that the file is upstream's. Ask upstream \
             for metadata with sha256 or sha512, as createrepo_c writes it by default",
            place()
        ))),
        _ => Err(Invalid::new(format!(
            "{} has a checksum of type {name:?}, and only sha256, sha384 and sha512 are supported",
            place()
        ))),
    }
}

/// Whether clients of a re-indexed repository are given this kind of metadata: what lists packages, which is cut, and what
/// says something of them, which is kept whole. The others are caches and deltas: databases, zchunk, drpms.
pub fn is_carried(kind: &str) -> bool {
    let whole = ["group", "group_gz", "group_xz", "group_zst", MODULES, "updateinfo", "productid"];
    LISTS.contains(&kind) || whole.contains(&kind)
}

/// Returns true for the kinds of metadata of which dnf or zypper takes no repository that names them and lacks them. dnf asks
/// for `other` when it shows changes, and for unknown kinds never.
pub fn is_needed(kind: &str) -> bool {
    let shared = ["group", "group_gz", "group_xz", "group_zst", MODULES, "updateinfo", "filelists"];
    kind == PRIMARY || shared.contains(&kind) || DELTAS.contains(&kind)
}

#[cfg(test)]
mod tests;
