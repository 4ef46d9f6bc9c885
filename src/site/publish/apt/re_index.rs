//! Writes apt metadata that lists exactly what is there, signed with the site's key.
//!
//! What apt needs of a Release was measured: the uncompressed form of each index among its digests (apt otherwise finds no
//! packages, and says nothing), a Date that rises, and an Origin, Label and Codename that never change.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::error::{COMPRESS, SIGN, cannot};
use super::super::{Context, PublishError};
use super::Root;
use crate::collection::Collection;
use crate::digest::{Hashing, Sha256};
use crate::error_class::Fault;
use crate::formats::apt::archive::{IN_RELEASE, IndexKind, IndexName, RELEASE, RELEASE_GPG, by_hash};
use crate::formats::apt::client_index::ClientIndex;
use crate::formats::apt::packages::packages;
use crate::formats::apt::release::{IndexFile, Release};
use crate::formats::apt::suite_name::{SuiteName, below};
use crate::path::PublishPath;
use crate::site::state::Identity;
use crate::site::tree::Tree;

/// The indexes of one suite, as they grow.
#[derive(Debug, Default)]
pub(super) struct SuiteIndexes {
    /// By its path below the suite.
    pub(super) indexes: BTreeMap<String, RewrittenIndex>,
    /// Indexes for client programs, by the paths of the plain ones.
    pub(super) client_indexes: BTreeMap<String, PackedIndex>,
}

/// The largest index that is written, in bytes. Debian's largest has some 60 MB.
pub(super) const MAX_TEXT_BYTES: usize = 96 << 20;

/// One index: upstream's stanzas, byte for byte.
#[derive(Debug)]
pub(super) struct RewrittenIndex {
    pub(super) component: String,
    pub(super) architecture: String,
    pub(super) kind: IndexKind,
    pub(super) text: Vec<u8>,
}

impl SuiteIndexes {
    /// The index of this name, whatever its compression.
    pub(super) fn index(&mut self, name: &IndexName<'_>) -> &mut RewrittenIndex {
        self.indexes.entry(name.plain_path()).or_insert_with(|| RewrittenIndex {
            component: name.component.to_owned(),
            architecture: name.architecture.to_owned(),
            kind: name.kind,
            text: Vec::new(),
        })
    }
}

impl RewrittenIndex {
    /// Adds a stanza. Fails for more than [`MAX_TEXT_BYTES`].
    pub(super) fn push(&mut self, stanza: &[u8]) -> Result<(), Fault> {
        if self.text.len() + stanza.len() > MAX_TEXT_BYTES {
            let what = format!("upstream's entries of what is carried have more than {} MiB", MAX_TEXT_BYTES >> 20);
            return Err(Fault::unverified(format!("{what} in one index, {}/{}", self.component, self.architecture)));
        }
        self.text.extend_from_slice(stanza);
        self.text.extend_from_slice(b"\n\n");
        Ok(())
    }
}

/// The digest and size of an index, and what it becomes with gzip.
#[derive(Debug)]
pub(super) struct PackedIndex {
    /// In gzip.
    bytes: Vec<u8>,
    /// Digest of the plain index.
    sha256: Sha256,
    /// Size of the plain index, in bytes.
    pub(super) size: u64,
}

impl PackedIndex {
    /// Takes all that `write` writes. The result is reproducible: it has no name and no time.
    pub(super) fn write(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Self> {
        let gzip = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::new(6));
        let mut out = Hashing::new(gzip);
        write(&mut out)?;
        let (gzip, sha256, size) = out.finish();
        Ok(Self { bytes: gzip.finish()?, sha256, size })
    }

    /// Adds the packed index to the tree, and both forms to the Release: apt finds nothing if that lacks the plain one.
    fn publish(
        self,
        plain: &PublishPath,
        suite: &SuiteName,
        release: &mut Release,
        tree: &mut Tree,
        context: &mut Context<'_, '_>,
    ) -> Result<(), PublishError> {
        let path: PublishPath = format!("{plain}.gz").parse()?;
        let blob = context.put(&self.bytes)?;
        release.files.insert(plain.clone(), IndexFile { size: self.size, digest: self.sha256.into() });
        release.files.insert(path.clone(), IndexFile { size: self.bytes.len() as u64, digest: blob.into() });
        add_index(tree, suite, &path, blob)
    }
}

/// Adds the suite's metadata to the tree: indexes plain, .gz and by hash, Release, Release.gpg and InRelease.
pub(super) fn suite_tree(
    collection: &Collection,
    root: &Root,
    suite: SuiteIndexes,
    tree: &mut Tree,
    context: &mut Context<'_, '_>,
) -> Result<(), PublishError> {
    let mut release = describe(collection, &root.suite, root.release().cloned(), &suite, context);
    for (path, index) in &suite.indexes {
        names_only_what_is_there(path, index, tree)?;
    }
    for (path, RewrittenIndex { text, .. }) in suite.indexes {
        let packed = PackedIndex::write(|out| out.write_all(&text)).map_err(cannot(COMPRESS))?;
        let plain: PublishPath = path.parse()?;
        add_index(tree, &root.suite, &plain, context.put(&text)?)?;
        packed.publish(&plain, &root.suite, &mut release, tree, context)?;
    }
    for (path, packed) in suite.client_indexes {
        packed.publish(&path.parse()?, &root.suite, &mut release, tree, context)?;
    }
    let text = release.to_text().map_err(cannot("write a Release file"))?;
    let made = context.date.unix();
    let inline = context.key.sign_clear(&text, made).map_err(cannot(SIGN))?;
    let beside = context.key.sign_detached(text.as_bytes(), made).map_err(cannot(SIGN))?;
    for (file, bytes) in [(RELEASE, &text), (RELEASE_GPG, &beside), (IN_RELEASE, &inline)] {
        let digest = context.put(bytes.as_bytes())?;
        tree.add(root.suite.path(file).parse()?, digest);
    }
    Ok(())
}

fn add_index(tree: &mut Tree, suite: &SuiteName, path: &PublishPath, sha256: Sha256) -> Result<(), PublishError> {
    let parent = path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
    tree.add(suite.path(path.as_str()).parse()?, sha256);
    tree.add(suite.path(&below(parent, &by_hash(&sha256.into()))).parse()?, sha256);
    Ok(())
}

/// Upstream's Release, cut down to what is there; its name stays what it was when the suite was published first.
pub(super) fn describe(
    collection: &Collection,
    place: &SuiteName,
    upstream: Option<Release>,
    suite: &SuiteIndexes,
    context: &mut Context<'_, '_>,
) -> Release {
    // The name that apt expects: of a flat suite that of its folder, and none in the root of the archive.
    let name = place.to_string();
    let own_name = Some(name.trim_end_matches('/').to_owned()).filter(|name| name != ".");
    let own = Release {
        origin: Some(format!("gapferry {}", collection.name)),
        label: Some(collection.name.to_string()),
        suite: own_name.clone(),
        codename: own_name,
        ..Release::default()
    };
    let upstream = upstream.unwrap_or(own);
    let first = || Identity {
        origin: upstream.origin.clone(),
        label: upstream.label.clone(),
        codename: upstream.codename.clone(),
    };
    let identity =
        context.of_kind.identities.entry(format!("{}/{name}", collection.folder())).or_insert_with(first).clone();
    let collect = |pick: fn(&RewrittenIndex) -> &String| {
        let values: std::collections::BTreeSet<_> = suite.indexes.values().map(pick).cloned().collect();
        values.into_iter().filter(|value| value != "source").collect::<Vec<_>>()
    };
    let (components, architectures) = match place.is_flat() {
        // Its indexes tell neither, and apt does not look at them.
        true => (upstream.components.clone(), upstream.architectures.clone()),
        false => (collect(|index| &index.component), collect(|index| &index.architecture)),
    };
    let has_all = architectures.iter().any(|name| name == "all");
    let mut client_indexes = suite.client_indexes.keys().filter_map(|path| ClientIndex::parse(path));
    let of_all = client_indexes.any(|index| index.architecture == Some("all"));
    Release {
        origin: identity.origin,
        label: identity.label,
        codename: identity.codename,
        date: Some(context.date.unix()),
        valid_until: None,
        components,
        // apt asks for a list of the files of `all` only if the Release has that architecture.
        no_support_for_architecture_all: upstream.no_support_for_architecture_all || (of_all && !has_all),
        architectures: architectures.into_iter().chain((of_all && !has_all).then(|| "all".to_owned())).collect(),
        acquire_by_hash: true,
        files: BTreeMap::new(),
        ..upstream
    }
}

/// The last look before it is signed: a client must never be offered what would be a 404.
fn names_only_what_is_there(path: &str, index: &RewrittenIndex, tree: &Tree) -> Result<(), PublishError> {
    if index.kind == IndexKind::Sources {
        return Ok(()); // its stanzas were taken only with all their files
    }
    for package in packages(&index.text) {
        let there = package.as_ref().ok().and_then(|p| p.path().ok()).is_some_and(|p| tree.get(&p).is_some());
        if !there {
            let path_of = package.map_or_else(|e| e.to_string(), |p| p.filename.to_owned());
            return Err(
                Fault::failed(format!("the generated index {path} names {path_of}, which is not in the tree")).into()
            );
        }
    }
    Ok(())
}
