//! Collects images of other operating systems, and of one's own. Where a signature comes with one, it is verified here and
//! travels along.

use std::collections::BTreeMap;
use std::fs::File;

use super::detached::DetachedSignature;
use super::keyring::{read_keyring, read_small};
use super::{CollectContext, CollectError, CollectionNames, address, named_files};
use crate::collection::{Collection, Item, Proof, Publish};
use crate::depot::{Batch, BlobReader};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::openpgp::MAX_SIGNATURE_FILE_BYTES;
use crate::formats::os_image::SIGNATURE_SUFFIX;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::{FilePlace, ImageSignature, OsImageSource, Place};
use crate::storage::FileError;

/// Takes all images into the depot, as the collection `name` of the source `source`.
pub fn collect(
    names: CollectionNames,
    sources: &[OsImageSource],
    with: &CollectContext<'_>,
) -> Result<Collection, CollectError> {
    let mut batch = with.depot.batch();
    let (mut digests, mut selected) = (Vec::new(), Vec::new());
    for image in sources {
        match &image.place.file {
            FilePlace::Url { url, sha256 } => {
                selected.push(named_files::selected(url, *sha256, with)?);
                digests.push(*sha256);
            }
            FilePlace::Path { path, sha256 } => {
                digests.push(named_files::take(path, *sha256, &mut batch, with)?.sha256)
            }
        }
    }
    batch.commit()?;
    with.fetch_selected("fetching images", selected)?;
    let mut batch = with.depot.batch();
    let (mut items, mut proofs) = (BTreeMap::new(), Vec::new());
    for (image, sha256) in sources.iter().zip(digests) {
        check_packing(image, sha256, with)?;
        let file = image.image().path(&image.architecture, &image.version).map_err(Fault::usage)?;
        let proof = prove(image, sha256, &file, &mut batch, with)?;
        let item = describe(image, &file, proof.as_ref());
        items.insert(file, (sha256, item));
        proofs.extend(proof);
    }
    batch.commit()?;
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Collection {
        files: items.iter().map(|(file, (sha256, _))| (file.clone(), *sha256)).collect(),
        items: items.into_values().map(|(_, item)| item).collect(),
        kind: Kind::OsImages,
        name: names.collection,
        origin: Origin::Local,
        proofs,
        publish: Publish::ReIndexed,
        second_digest: None,
        source: names.source,
    })
}

fn describe(source: &OsImageSource, file: &PublishPath, proof: Option<&Proof>) -> Item {
    let image = source.image();
    let origin = source.place.file.url().map_or(Origin::Local, |url| Origin::Url(address::origin(url)));
    Item {
        architecture: source.architecture.clone(),
        file: file.clone(),
        licence: String::new(),
        name: image.name(),
        details: Details::OsImage { image: Box::new(image), origin },
        proof: proof.map(|proof| proof.path.clone()),
        publisher: String::new(), // a signature over bytes does not say
        reason: "requested".to_owned(),
        source: None,
        version: source.version.clone(),
    }
}

/// Compares the first bytes with the filetype, which MAAS does only when it deploys.
fn check_packing(source: &OsImageSource, sha256: Sha256, with: &CollectContext<'_>) -> Result<(), CollectError> {
    // On a dry run what would be fetched is not here.
    let Some(file) = open(source, sha256, with)? else { return Ok(()) };
    let found = source.filetype.check_file(file);
    let bad = |error| Fault::usage(format!("{} cannot be deployed", source.image().name())).because(error).into();
    found.map_err(|error| error.map(FileError::on("read", &with.depot.place(&sha256)), bad))
}

/// The image's signature, verified; none if it has none.
fn prove(
    source: &OsImageSource,
    sha256: Sha256,
    file: &PublishPath,
    batch: &mut Batch<'_>,
    with: &CollectContext<'_>,
) -> Result<Option<Proof>, CollectError> {
    let Some(ImageSignature { place, keyring }) = &source.place.signature else { return Ok(None) };
    let keyring = read_keyring(keyring)?;
    let signature = match place {
        Place::Path(path) => read_small(path)?,
        Place::Url(url) => with.fetcher.get(url, MAX_SIGNATURE_FILE_BYTES)?,
    };
    let mut signed_by = Vec::new();
    // On a dry run what would be fetched is not here.
    if let Some(mut image) = open(source, sha256, with)? {
        let signature = DetachedSignature { bytes: &signature, keyring: &keyring, now: with.now };
        signed_by = signature.signers(&source.image().name(), &mut image, &with.depot.place(&sha256))?;
    }
    let path: PublishPath = format!("{file}{SIGNATURE_SUFFIX}").parse().map_err(Fault::usage)?;
    // A signature on an image is as old as the image: it says nothing of how new the image is.
    Ok(Some(Proof { date: None, path, sha256: with.depot.put(batch, &signature)?, signed_by }))
}

fn open(source: &OsImageSource, sha256: Sha256, with: &CollectContext<'_>) -> Result<Option<BlobReader>, CollectError> {
    match &source.place.file {
        _ if with.depot.holds(&sha256)? => Ok(Some(with.depot.open_blob(&sha256)?)),
        FilePlace::Path { path, .. } => {
            File::open(path).map(|file| Some(BlobReader::of_file(file))).map_err(FileError::on_named("read", path))
        }
        FilePlace::Url { .. } => Ok(None),
    }
}
