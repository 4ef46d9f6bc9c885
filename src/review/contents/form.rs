//! Forms of packages.

use crate::bundle::state::ItemLine;
use crate::formats::compression::Compression;

/// The form of an item's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PackageForm {
    Deb,
    Rpm,
    /// A snap, or a root file system.
    Squashfs,
    Tar(Compression),
    /// Something that is no package, or of a form that is not looked into.
    Other,
}

/// The ends of names, with the forms that they tell.
const SUFFIXES: [(&str, PackageForm); 15] = [
    (".deb", PackageForm::Deb),
    (".udeb", PackageForm::Deb),
    (".ddeb", PackageForm::Deb),
    (".rpm", PackageForm::Rpm),
    (".snap", PackageForm::Squashfs),
    // Streams of images call it so.
    ("squashfs", PackageForm::Squashfs),
    (".tar", PackageForm::Tar(Compression::Plain)),
    (".tar.gz", PackageForm::Tar(Compression::Gzip)),
    (".tgz", PackageForm::Tar(Compression::Gzip)),
    (".tar.xz", PackageForm::Tar(Compression::Xz)),
    (".txz", PackageForm::Tar(Compression::Xz)),
    (".tar.zst", PackageForm::Tar(Compression::Zstd)),
    (".tzst", PackageForm::Tar(Compression::Zstd)),
    (".tar.bz2", PackageForm::Tar(Compression::Bzip2)),
    (".tbz2", PackageForm::Tar(Compression::Bzip2)),
];

impl PackageForm {
    /// Returns the form that the file name of an item tells.
    pub(super) fn of(item: &ItemLine) -> Self {
        let name = item.path.file_name();
        let known = SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix));
        known.map_or(Self::Other, |(_, form)| *form)
    }
}
