//! Publishes RPM repositories: upstream's signed metadata is followed down to each package, then the tree is laid out.

mod re_index;
mod repository;

use std::collections::{BTreeMap, BTreeSet};

use self::re_index::re_indexed;
use self::repository::CarriedRepository;
use super::error::{cannot, not_vouched};
use super::{Context, PublishError};
use crate::collection::{Collection, Item, Publish, SourcePackage};
use crate::formats::openpgp::armored_keyring;
use crate::formats::rpm::{PRIMARY, Package, REPODATA, REPOMD, REPOMD_ASC, REPOMD_KEY};
use crate::formats::signed_digest::SignedDigest;
use crate::kind::Details;
use crate::path::PublishPath;
use crate::site::tree::Tree;

/// The step that can fail here.
const WRITE_KEYS: &str = "write the keys for clients";

/// Checks all proofs, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let items = super::items_by_file(collection)?;
    let repository = CarriedRepository::read(collection, context)?;
    let carried = check_vouched(collection, context, &items, &repository)?;
    context.dates.check(collection, &[REPOMD], repository.date())?;
    let mut tree = Tree::of_files(collection);
    match collection.publish {
        Publish::ReIndexed | Publish::Reprepro => re_indexed(&repository, &carried, &mut tree, context)?,
        Publish::Verbatim => {
            collection.proofs.iter().for_each(|proof| tree.add(proof.path.clone(), proof.sha256));
            let lacking = repository.lacking.iter().map(|data| &data.path);
            carried.absent.iter().chain(lacking).for_each(|path| context.published.note_absent(path));
        }
    }
    // dnf asks for them by what it has cached.
    context.retain_for_grace_period(&mut tree)?;
    add_keys(collection, context, &mut tree)?;
    Ok(tree)
}

/// Publishes upstream's keys, since rpm checks the signatures in packages, which stay upstream's. The keys that sign the
/// repository's list lie beside it, where zypper looks for them.
fn add_keys(collection: &Collection, context: &mut Context<'_, '_>, tree: &mut Tree) -> Result<(), PublishError> {
    let upstream = context.keyring_bytes.map(armored_keyring).transpose().map_err(cannot(WRITE_KEYS))?;
    let upstream = upstream.map(|keys| context.put(keys.as_bytes())).transpose()?;
    context.keys.extend(upstream.map(|digest| (format!("{}.asc", collection.folder()), digest)));
    let of_list = match collection.publish {
        Publish::Verbatim => {
            let is_signed = collection.proofs.iter().any(|proof| proof.path.as_str() == REPOMD_ASC);
            upstream.filter(|_| is_signed)
        }
        Publish::ReIndexed | Publish::Reprepro => {
            let keys = context.key.public_armored().map_err(cannot(WRITE_KEYS))?;
            Some(context.put(keys.as_bytes())?)
        }
    };
    if let Some(digest) = of_list {
        tree.add(REPOMD_KEY.parse()?, digest);
    }
    Ok(())
}

/// Which of the packages that upstream lists are here.
struct Carried {
    /// Their digests in hexadecimal digits, by which lists of files know them.
    digests: BTreeSet<String>,
    /// The same with their files.
    packages: BTreeSet<(PublishPath, SignedDigest)>,
    /// The files of the others.
    absent: Vec<PublishPath>,
}

/// Each carried file is a package that the signed list names with these bytes, and its item says of it what the list says.
fn check_vouched(
    collection: &Collection,
    context: &mut Context<'_, '_>,
    items: &BTreeMap<&PublishPath, &Item>,
    repository: &CarriedRepository,
) -> Result<Carried, PublishError> {
    let mut unproven: BTreeSet<&PublishPath> = collection.files.keys().collect();
    let mut carried = Carried { digests: BTreeSet::new(), packages: BTreeSet::new(), absent: Vec::new() };
    for package in repository.packages(context)? {
        if is_listed(items, repository, &package, PRIMARY) && is_here(collection, context, &package)? {
            unproven.remove(&package.file);
            carried.digests.insert(package.digest.to_hex());
            carried.packages.insert((package.file, package.digest));
        } else {
            carried.absent.push(package.file);
        }
    }
    for (kind, delta) in repository.deltas(context)? {
        if is_listed(items, repository, &delta, kind) && is_here(collection, context, &delta)? {
            unproven.remove(&delta.file);
        } else {
            carried.absent.push(delta.file);
        }
    }
    // Below repodata the metadata is, whatever a list of packages says.
    unproven.extend(collection.files.keys().filter(|path| path.as_str().starts_with(REPODATA)));
    match unproven.first() {
        Some(path) => Err(not_vouched(path).into()),
        None => Ok(carried),
    }
}

/// Whether the package is carried, with the bytes that upstream names.
fn is_here(collection: &Collection, context: &mut Context<'_, '_>, package: &Package) -> Result<bool, PublishError> {
    let Some(blob) = collection.files.get(&package.file) else { return Ok(false) };
    Ok(context.depot.has(blob, package.size)? && context.has_digest(blob, &package.digest)?)
}

/// Returns true if the package's item agrees with the metadata of this kind.
fn is_listed(
    items: &BTreeMap<&PublishPath, &Item>,
    repository: &CarriedRepository,
    package: &Package,
    listed_in: &str,
) -> bool {
    let Some(item) = items.get(&package.file) else { return false };
    item.name == package.name
        && item.version == package.evr.to_string()
        && item.architecture == package.architecture
        && item.details == Details::Rpm { list: listed_in.to_owned() }
        && item.publisher == package.vendor
        && item.licence == package.licence
        && item.source == package.source().map(SourcePackage::from)
        && item.proof.as_ref().map(PublishPath::as_str) == repository.signed.then_some(REPOMD)
}
