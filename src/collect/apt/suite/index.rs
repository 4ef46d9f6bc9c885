//! The indexes of packages that are wanted of a suite, in the forms that its Release lists.

use std::collections::BTreeSet;

use crate::collect::apt::archives::{SuiteRequest, WantedArchive};
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::formats::apt::archive::{IndexKind, IndexName, expand_slim};
use crate::formats::apt::packages::packages;
use crate::formats::apt::release::{IndexFile, Release};
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::compression::Compression;
use crate::path::PublishPath;
use crate::terminal::safe;

/// An index in the depot.
#[derive(Debug)]
pub(in crate::collect::apt) struct StoredIndex {
    /// Below the suite, such as `main/binary-amd64/Packages.xz`.
    pub(in crate::collect::apt) path: PublishPath,
    /// Its blob, size and digest.
    pub(in crate::collect::apt) file: IndexFile,
    /// The size that the Release names for its plain form, in bytes.
    plain_size: Option<u64>,
    /// The kind of its entries.
    pub(in crate::collect::apt) kind: IndexKind,
}

impl StoredIndex {
    /// Reads what its text says of packages, without descriptions and the like.
    pub(in crate::collect::apt) fn read(&self, with: &CollectContext<'_>) -> Result<Vec<u8>, CollectError> {
        let blob = with.blob(&self.file.digest, self.file.size);
        Ok(with.depot.read_checked(&blob, |bytes| expand_slim(bytes, &self.path, self.plain_size))??)
    }
}

/// The forms of an index that a Release names, in the order in which apt asks for them.
pub(super) type IndexForms = Vec<StoredIndex>;

/// The wanted indexes that the Release names.
pub(super) fn listed_indexes(release: &Release, plain: &[String]) -> Vec<IndexForms> {
    plain.iter().map(|path| forms(release, path)).filter(|forms| !forms.is_empty()).collect()
}

/// The path under which the Release lists a form of an index, if apt does not find it there.
pub(super) fn respelled_form<'r>(release: &'r Release, plain: &str) -> Option<&'r String> {
    let form =
        |compression: Compression| release.respelled.get(&format!("{plain}{}", compression.suffix()).parse().ok()?);
    let found = Compression::ALL.into_iter().find_map(form);
    found.filter(|_| forms(release, plain).is_empty())
}

/// The plain paths of the wanted indexes.
pub(super) fn wanted_indexes(release: &Release, wanted: &SuiteRequest) -> Vec<String> {
    // As apt does: an index of `Architecture: all` packages counts only where the Release claims that architecture, and
    // does not say that the other indexes have them too. Some archives list such an index and leave it stale.
    let has_all = release.architectures.iter().any(|a| a == "all") && !release.no_support_for_architecture_all;
    let mut plain = Vec::new();
    if wanted.suite.is_flat() {
        plain.extend((!wanted.architectures().is_empty()).then(|| "Packages".to_owned()));
        plain.extend(wanted.components.iter().any(|of| of.source).then(|| "Sources".to_owned()));
    }
    for wanted in wanted.components.iter().filter(|_| !wanted.suite.is_flat()) {
        let component = index_folder(release, &wanted.name);
        let all = (has_all && !wanted.architectures.is_empty()).then_some("all");
        let architectures = wanted.architectures.iter().map(String::as_str).chain(all);
        plain.extend(architectures.map(|a| format!("{component}/binary-{a}/Packages")));
        plain.extend(wanted.source.then(|| format!("{component}/source/Sources")));
    }
    plain
}

/// The folder with the indexes of a component: its own, or that of its last part, as `updates/main` has them in `main`.
fn index_folder<'a>(release: &Release, component: &'a str) -> &'a str {
    let is_of = |path: &PublishPath| IndexName::parse(path.as_str()).is_some_and(|name| name.component == component);
    let last = component.rsplit('/').next().unwrap_or(component);
    if release.files.keys().any(is_of) { component } else { last }
}

fn forms(release: &Release, plain: &str) -> IndexForms {
    let listed = |path: &str| release.files.get(&path.parse().ok()?).copied();
    let plain_size = listed(plain).map(|file| file.size);
    let form = |compression: Compression| {
        let path: PublishPath = format!("{plain}{}", compression.suffix()).parse().ok()?;
        let file = listed(path.as_str())?;
        let kind = IndexName::parse(path.as_str())?.kind;
        Some(StoredIndex { path, file, plain_size, kind })
    };
    Compression::ALL.into_iter().filter_map(form).collect()
}

/// Makes the error of an index that the Release lists as `found`.
pub(super) fn respelled_index(archive: &WantedArchive, suite: &SuiteName, found: &str) -> Fault {
    let (url, found) = (archive.origin(), safe(found));
    Fault::unverified(format!(
        "the Release of {suite} at {url} lists {found}: apt looks for this path without ./ and double slashes, and finds no \
         index. Upstream must list it so"
    ))
}

/// The architectures of the packages in the index of a flat suite.
pub(super) fn flat_architectures(
    indexes: &[StoredIndex],
    with: &CollectContext<'_>,
) -> Result<BTreeSet<String>, CollectError> {
    let mut architectures = BTreeSet::new();
    let is_flat = |index: &&StoredIndex| IndexName::parse(index.path.as_str()).is_some_and(|name| name.is_flat());
    for index in indexes.iter().filter(|index| index.kind == IndexKind::Packages).filter(is_flat) {
        let text = index.read(with)?;
        architectures.extend(packages(&text).flatten().map(|package| package.control.architecture.to_owned()));
    }
    Ok(architectures)
}
