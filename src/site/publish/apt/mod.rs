//! Publishes Debian packages: upstream's chain of proofs is followed down to each file, then the tree is laid out.

mod alias;
mod client_indexes;
mod re_index;
pub(in crate::site) mod reprepro;
mod root;

use std::collections::{BTreeMap, BTreeSet};

use self::alias::SuiteAliases;
use self::re_index::{SuiteIndexes, suite_tree};
use self::root::Root;
use super::error::{index_not_vouched, not_vouched, unknown_proof, unsigned, untrusted};
use super::{Context, PublishError};
use crate::collection::{Collection, Item, Proof, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::archive::{
    EntryFile, IN_RELEASE, IndexEntry, IndexName, MAX_RELEASE_BYTES, RELEASE, RELEASE_GPG, by_hash, cannot_expand,
    entries, expand_blocks, read_release,
};
use crate::formats::apt::client_index::{MissingIndexes, SuiteScope};
use crate::formats::apt::index_blocks::EntryForm;
use crate::formats::apt::release::Release;
use crate::formats::apt::suite_name::{SuiteName, below};
use crate::formats::openpgp::SignedBytes;
use crate::path::PublishPath;
use crate::site::tree::Tree;
use crate::time::Time;

/// Checks all proofs, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    let mut tree = Tree::of_files(collection);
    let mut for_reprepro = Vec::new();
    let mut unproven: BTreeSet<&PublishPath> = collection.files.keys().collect();
    let roots = roots(collection, context)?;
    check_proofs(collection, &roots, context)?;
    for root in &roots {
        let date = root.release().and_then(|release| release.date).and_then(|date| Time::from_unix(date).ok());
        let signed = root.release().and_then(Release::identity);
        let folder = match root.suite.folder() {
            "" => root.suite.to_string(),
            folder => folder.to_owned(),
        };
        let names: Vec<&str> = [folder.as_str()].into_iter().chain(signed.as_deref()).collect();
        context.dates.check(collection, &names, date)?;
    }
    let aliases = SuiteAliases::of(&roots);
    for root in roots {
        let mut suite = carried_suite(collection, context, &items, &root, &mut unproven)?;
        match collection.publish {
            Publish::ReIndexed => {
                suite.client_indexes = client_indexes::cut(collection, &root, &suite, context)?;
                suite_tree(collection, &root, suite, &mut tree, context)?;
            }
            Publish::Verbatim => verbatim(collection, &root, &mut tree, context)?,
            Publish::Reprepro if root.suite.is_flat() => {
                let suite = &root.suite;
                return Err(Fault::unverified(format!(
                    "{suite} is a flat suite, and reprepro publishes none: export it with publish = \"re-indexed\" or \"verbatim\""
                ))
                .into());
            }
            Publish::Reprepro => for_reprepro.push((root, suite)),
        }
    }
    if collection.publish.signs_anew() {
        (context.published.not_carried, context.published.not_carried_examples) = (0, Vec::new());
    }
    if let Some(path) = unproven.first() {
        return Err(not_vouched(path).into());
    }
    if collection.publish == Publish::Reprepro {
        tree = reprepro::tree(collection, &for_reprepro, context)?;
    }
    aliases.add_to(&mut tree)?;
    Ok(tree)
}

/// Reads the suite's indexes: the stanzas of what is carried. Takes the files that they prove out of `unproven`.
fn carried_suite<'c>(
    collection: &'c Collection,
    context: &mut Context<'_, '_>,
    items: &BTreeMap<&PublishPath, &Item>,
    root: &Root,
    unproven: &mut BTreeSet<&'c PublishPath>,
) -> Result<SuiteIndexes, PublishError> {
    let mut suite = CarriedSuite { collection, items, root, unproven, indexes: SuiteIndexes::default() };
    for proof in &collection.proofs {
        let Some(name) = root.index_name(&proof.path) else { continue };
        suite.indexes.index(&name); // one that lists nothing is written too
        let add = |block: &[u8], context: &mut Context<'_, '_>| suite.add(&name, block, context);
        expand_listed(context, root, proof, EntryForm::Stanzas, add)?;
    }
    Ok(suite.indexes)
}

/// A suite whose indexes are being read.
struct CarriedSuite<'s, 'c> {
    collection: &'c Collection,
    items: &'s BTreeMap<&'s PublishPath, &'s Item>,
    root: &'s Root,
    /// Files that no index has proven yet.
    unproven: &'s mut BTreeSet<&'c PublishPath>,
    /// The stanzas of what is carried.
    indexes: SuiteIndexes,
}

impl CarriedSuite<'_, '_> {
    /// Adds those stanzas of a part of the index `name` that are carried.
    fn add(&mut self, name: &IndexName<'_>, block: &[u8], context: &mut Context<'_, '_>) -> Result<(), PublishError> {
        let Self { collection, items, root, .. } = self;
        let index = self.indexes.index(name);
        // Only what can be read can be carried.
        for entry in entries(name.kind, block).flatten() {
            if !carried(collection, context, items, root, &entry)? {
                note_absent(context, collection, &entry);
                continue;
            }
            let proves = |path: &&PublishPath| items.get(path).is_some_and(|i| i.proof.as_ref() == root.proof());
            entry.files.iter().map(|file| &file.path).filter(proves).for_each(|path| {
                self.unproven.remove(path);
            });
            index.push(&entry.stanza)?;
        }
        Ok(())
    }
}

/// Refuses a proof for which no suite has a place: verbatim suites publish all of them.
fn check_proofs(collection: &Collection, roots: &[Root], context: &mut Context<'_, '_>) -> Result<(), PublishError> {
    for proof in &collection.proofs {
        if roots.iter().all(|root| root.below(&proof.path).is_none()) {
            return Err(unknown_proof(&proof.path).into());
        }
        let mut is_vouched = false;
        for root in roots {
            is_vouched |= root.vouches_for(proof, context)?;
        }
        if !is_vouched {
            return Err(index_not_vouched(&proof.path).into());
        }
    }
    Ok(())
}

/// Whether all files of the entry are carried, with the bytes that it names, by items of its name.
fn carried(
    collection: &Collection,
    context: &mut Context<'_, '_>,
    items: &BTreeMap<&PublishPath, &Item>,
    root: &Root,
    entry: &IndexEntry<'_>,
) -> Result<bool, PublishError> {
    let is_of = |item: &&Item| {
        let same = (item.name.as_str(), item.version.as_str()) == (entry.name, entry.version);
        let same_source = match (&item.source, entry.source) {
            (Some(source), Some(listed)) => source.is(listed),
            (source, listed) => source.is_none() && listed.is_none(),
        };
        same && same_source
            && item.licence.is_empty() // an index does not say
            && item.architecture == entry.architecture
            && item.proof.is_some() == root.proof().is_some()
    };
    for EntryFile { path, size, digest, .. } in &entry.files {
        let blob = collection.files.get(path).filter(|_| items.get(path).is_some_and(is_of));
        let Some(blob) = blob else { return Ok(false) };
        if !context.depot.has(blob, *size)? || !context.has_digest(blob, digest)? {
            return Ok(false);
        }
    }
    Ok(!entry.files.is_empty())
}

fn note_absent(context: &mut Context<'_, '_>, collection: &Collection, entry: &IndexEntry<'_>) {
    let absent = entry.files.iter().map(|file| &file.path).filter(|path| !collection.files.contains_key(path));
    absent.for_each(|path| context.published.note_absent(path));
}

/// The suites of the collection, each with its signature checked.
fn roots(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Vec<Root>, PublishError> {
    let mut roots = Vec::new();
    for proof in &collection.proofs {
        let (folder, file) = proof.path.as_str().rsplit_once('/').unwrap_or(("", proof.path.as_str()));
        let suite = suite_in(collection, folder)?;
        let release = match file {
            IN_RELEASE => signed(collection, context, &proof.path, proof.sha256, None)?,
            RELEASE => {
                let beside: PublishPath = suite.path(RELEASE_GPG).parse()?;
                let signature = collection.blob(&beside);
                let none = || Fault::unverified(format!("{} comes without its signature", proof.path));
                let signature = signature.ok_or_else(none)?;
                signed(collection, context, &proof.path, proof.sha256, Some(signature))?
            }
            _ => continue,
        };
        check_suite(collection, context, &proof.path, &suite, &release)?;
        let signed = Some((proof.path.clone(), release));
        roots.push(Root { suite, inner: Vec::new(), signed, patches: BTreeMap::new() });
    }
    Root::nest(&mut roots);
    for suite in unsigned_suites(collection, &roots)? {
        match collection.items.iter().find(|item| item.proof.is_none()) {
            Some(item) if !context.allow_unsigned => return Err(unsigned(&item.file, &collection.source).into()),
            _ => roots.push(Root { suite, inner: Vec::new(), signed: None, patches: BTreeMap::new() }),
        }
    }
    Root::nest(&mut roots);
    roots.iter_mut().try_for_each(|root| root.read_pdiffs(collection, context))?;
    Ok(roots)
}

/// The suite in a folder. One below `dists` is flat, too, if it has nothing but flat indexes.
fn suite_in(collection: &Collection, folder: &str) -> Result<SuiteName, PublishError> {
    let suite = SuiteName::of_folder(folder)?;
    let is_below = |proof: &&Proof| proof.path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let below = collection.proofs.iter().filter(is_below).map(|proof| proof.path.as_str());
    let indexes = below.filter_map(|path| IndexName::parse(path.get(folder.len() + 1..)?));
    let flat: Vec<bool> = indexes.map(|name| name.is_flat()).collect();
    match flat.first() {
        Some(true) if !flat.contains(&false) => Ok(SuiteName::flat(folder)?),
        _ => Ok(suite),
    }
}

/// Refuses a suite that upstream signs under another name than it stands under here.
fn check_suite(
    collection: &Collection,
    context: &Context<'_, '_>,
    path: &PublishPath,
    suite: &SuiteName,
    release: &Release,
) -> Result<(), Fault> {
    let known = context.of_kind.signed_as.and_then(|names| names.get(suite)).map(String::as_str);
    match release.is_suite(suite, known) {
        true => Ok(()),
        false => Err(Fault::unverified(format!(
            "{path} was asked for as \"{suite}\", and upstream signs {} in it: a mirror passes one suite off as another. If the \
             archive is known to differ, write in site.toml, under [policy.signed-as.{}]: \"{suite}\" = \"{}\"",
            release.quoted_names(),
            collection.source,
            release.names().last().map_or("", String::as_str)
        ))),
    }
}

/// The suites of indexes that no signed file covers: a collection of local packages has one.
fn unsigned_suites(collection: &Collection, roots: &[Root]) -> Result<BTreeSet<SuiteName>, PublishError> {
    let is_covered = |path: &PublishPath| roots.iter().any(|root| root.below(path).is_some());
    let mut suites = BTreeSet::new();
    for path in collection.proofs.iter().map(|proof| &proof.path).filter(|path| !is_covered(path)) {
        if let Some(folder) = folder_of_index(path.as_str()) {
            suites.insert(SuiteName::of_folder(folder)?);
        }
    }
    Ok(suites)
}

/// The folder of the suite of an index of packages: three levels up, or that of a flat index itself.
fn folder_of_index(path: &str) -> Option<&str> {
    if let Some(name) = IndexName::parse(path).filter(|name| !name.is_flat()) {
        return name.component.rsplit_once('/').map(|(folder, _)| folder);
    }
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    IndexName::parse(file).map(|_| folder)
}

fn signed(
    collection: &Collection,
    context: &Context<'_, '_>,
    path: &PublishPath,
    digest: Sha256,
    signature: Option<Sha256>,
) -> Result<Release, PublishError> {
    let keyring = context.pinned(collection)?;
    let message = context.depot.read(&digest, MAX_RELEASE_BYTES)?;
    let signature = signature.map(|digest| context.depot.read(&digest, MAX_RELEASE_BYTES)).transpose()?;
    let bytes = match &signature {
        None => SignedBytes::Inline(&message),
        Some(signature) => SignedBytes::Detached { text: &message, signature },
    };
    let signed = read_release(bytes, keyring, context.verified.unix());
    Ok(signed.map_err(|error| untrusted(path, error))?.release)
}

/// Reads an index that the suite's signed Release names, and hands it to `each` in parts of whole entries.
fn expand_listed<'r, 'd>(
    context: &mut Context<'r, 'd>,
    root: &Root,
    proof: &Proof,
    form: EntryForm,
    mut each: impl FnMut(&[u8], &mut Context<'r, 'd>) -> Result<(), PublishError>,
) -> Result<(), PublishError> {
    let path = &proof.path;
    if root.release().is_some() && !is_listed(context, root, path, proof.sha256)? {
        return Err(index_not_vouched(path).into());
    }
    let cannot_expand = cannot_expand(path);
    context.depot.read_checked(&proof.sha256, |bytes| {
        let mut blocks = expand_blocks(bytes, path, form, root.plain_size(path)).map_err(&cannot_expand)?;
        while let Some(block) = blocks.next_block().map_err(&cannot_expand)? {
            each(block, context)?;
        }
        Ok(())
    })?
}

/// Returns whether the signed Release lists the file with these bytes.
fn is_listed(
    context: &mut Context<'_, '_>,
    root: &Root,
    path: &PublishPath,
    blob: Sha256,
) -> Result<bool, PublishError> {
    let listed = root.listed(path).copied();
    Ok(listed.map(|file| context.has_digest(&blob, &file.digest)).transpose()?.unwrap_or_default())
}

/// Upstream's files under their own names, and the indexes by hash too, so that a client in the middle of an update is not
/// torn between two generations.
fn verbatim(
    collection: &Collection,
    root: &Root,
    tree: &mut Tree,
    context: &mut Context<'_, '_>,
) -> Result<(), PublishError> {
    for proof in collection.proofs.iter().filter(|proof| root.below(&proof.path).is_some()) {
        tree.add(proof.path.clone(), proof.sha256);
        if let Some(file) = root.listed_or_patch(&proof.path) {
            let folder = proof.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
            tree.add(below(folder, &by_hash(&file.digest)).parse()?, proof.sha256);
        }
    }
    let until = root.release().and_then(|release| release.valid_until).and_then(|until| Time::from_unix(until).ok());
    let missing = missing_indexes(collection, root);
    let published = &mut context.published;
    published.missing_indexes.extend(missing);
    published.valid_until = published.valid_until.into_iter().chain(until).min();
    Ok(())
}

/// Indexes that the suite's Release lists, that clients of what is carried ask for, and that are not among the proofs.
fn missing_indexes(collection: &Collection, root: &Root) -> Vec<MissingIndexes> {
    let Some(release) = root.release() else { return Vec::new() };
    let carried: BTreeSet<&str> = collection.proofs.iter().filter_map(|proof| root.below(&proof.path)).collect();
    let of_suite = collection.items.iter().filter(|item| item.proof.as_ref() == root.proof());
    let architectures: BTreeSet<&str> = of_suite.map(|item| item.architecture.as_str()).collect();
    let mut scope = SuiteScope::default();
    let names = collection.proofs.iter().filter_map(|proof| root.index_name(&proof.path));
    names.for_each(|index| scope.add(&index, architectures.iter().copied()));
    let folder = below(&collection.folder(), root.suite.folder());
    let is_carried = |path: &PublishPath| carried.contains(path.as_str());
    MissingIndexes::among(scope.listed(release).values(), &folder, &[], is_carried)
}
