//! Publishes images of other operating systems, and of one's own: signatures are checked with the keys that this site pins, and
//! what MAAS can take from a stream is listed in one of the site's own.
//!
//! A signature is over an image's bytes: it does not say what the image is called, so that is the builder's word.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::detached::check_signatures;
use super::error::{WRITE_STREAM, cannot, not_vouched};
use super::signed_stream::{DATATYPE, UnsignedList, UnsignedLists};
use super::{Context, PublishError};
use crate::collection::{Collection, Item};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::os_image::{OsImage, SIGNATURE_SUFFIX, Via, check_together};
use crate::formats::simplestreams::{INDEX_STEM, Products};
use crate::path::PublishPath;
use crate::site::tree::Tree;

/// What the stream is called; it stays the same for ever, since readers remember it.
const CONTENT_ID: &str = "com.gapferry:os-images:download";
/// The products file, without its ending.
const STEM: &str = "streams/v1/com.gapferry:os-images:download";
/// The label of all its images: what is published is what is meant to be used.
const LABEL: &str = "stable";

/// The end of support where nobody said one: MAAS's newest reader wants a day, and takes no stream without.
const NO_END: &str = "2099-12-31";

/// An image with what is said of it.
struct ReportedImage<'c> {
    item: &'c Item,
    image: &'c OsImage,
    sha256: Sha256,
}

/// Checks all images and signatures, and lays out the tree.
pub(super) fn tree(collection: &Collection, context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let images = reported(collection)?;
    let pairs = images.iter().map(|told| (told.image, told.item.architecture.as_str()));
    check_together(pairs).map_err(|error| Fault::unverified("the images do not go together").because(error))?;
    check_signatures(collection, context, SIGNATURE_SUFFIX)?;
    let mut tree = Tree::of_files(collection);
    collection.proofs.iter().for_each(|proof| tree.add(proof.path.clone(), proof.sha256));
    let streamed: Vec<_> = images.iter().filter(|told| told.image.via == Via::Stream).collect();
    // MAAS takes no stream without products.
    if !streamed.is_empty() {
        let mut products = BTreeMap::new();
        for told in streamed {
            let name = format!("com.gapferry:{}:{}:{}", told.image.os, told.image.release, told.item.architecture);
            products.insert(name, product(told, &mut tree, context)?);
        }
        let text = json!({ "format": "products:1.0", "products": products }).to_string();
        let products = Products::parse(text.as_bytes()).map_err(cannot(WRITE_STREAM))?;
        let (content_id, datatype) = (CONTENT_ID.to_owned(), DATATYPE.to_owned());
        let lists = vec![UnsignedList { content_id, datatype, stem: STEM.to_owned(), products }];
        UnsignedLists { index: INDEX_STEM.to_owned(), lists }.add_to(&mut tree, context)?;
    }
    context.retain_for_grace_period(&mut tree)?;
    Ok(tree)
}

/// The images; each file is one, and stands where its item's words put it.
fn reported(collection: &Collection) -> Result<Vec<ReportedImage<'_>>, PublishError> {
    let items = super::items_by_file(collection)?;
    let mut images = Vec::new();
    for (path, sha256) in &collection.files {
        let misplaced = || PublishError::from(not_vouched(path));
        let item = *items.get(path).ok_or_else(misplaced)?;
        let image = item.details.os_image().ok_or_else(misplaced)?;
        let bad = |error| Fault::unverified(format!("{path} is no image that MAAS takes")).because(error);
        image.check(&item.architecture, &item.version).map_err(bad)?;
        let placed = image.path(&item.architecture, &item.version)? == *path;
        // A signature over bytes names none of these.
        let is_bare = item.publisher.is_empty() && item.licence.is_empty() && item.source.is_none();
        if !placed || item.name != image.name() || !is_bare {
            return Err(misplaced());
        }
        images.push(ReportedImage { item, image, sha256: *sha256 });
    }
    Ok(images)
}

/// A product with the tags and the two items that MAAS 3.8 demands of an image that is one file; the readers of 3.6 and 3.7
/// want less. The item is called `root-tgz` whatever it is packed as: its `ftype` says that.
fn product(told: &ReportedImage<'_>, tree: &mut Tree, context: &mut Context<'_, '_>) -> Result<Value, PublishError> {
    let ReportedImage { item, image, sha256 } = told;
    let size = context.depot.expect_size(sha256)?;
    let text = manifest(told);
    let path = format!("{}/manifest", image.folder(&item.architecture, &item.version)).parse::<PublishPath>()?;
    let digest = context.put(text.as_bytes())?;
    tree.add(path.clone(), digest);
    Ok(json!({
        "arch": item.architecture, "label": LABEL, "os": image.os, "release": image.release,
        "release_title": image.title, "support_eol": image.support_eol.as_deref().unwrap_or(NO_END), "subarch": "generic", "subarches": "generic", "version": image.release,
        "versions": { item.version.as_str(): { "items": {
            "manifest": { "ftype": "manifest", "path": path, "sha256": digest, "size": text.len() },
            "root-tgz": { "ftype": image.filetype.ftype(), "path": item.file, "sha256": sha256, "size": size },
        } } },
    }))
}

/// What stands in the place of a list of packages: MAAS wants the item, and reads it never.
fn manifest(ReportedImage { item, image, sha256 }: &ReportedImage<'_>) -> String {
    format!("{} {} {}\n{sha256}  {}\n", image.name(), item.architecture, item.version, item.file.file_name())
}
