//! Collects images from a simplestreams tree.
//!
//! `stream` fetches and verifies the metadata, `choose` decides which items to take, `offer` says what there is, and this
//! file fetches the items and says what was collected.

mod choose;
pub mod offer;
pub mod stream;

use std::collections::{BTreeMap, BTreeSet};

use self::choose::ChosenImageFile;
use self::stream::{Document, StreamForms, VerifiedStream};
use super::keyring::read_keyring;
use super::{CollectContext, CollectError, Selected, address};
use crate::collection::{Collection, Item, Proof, Publish};
use crate::depot::{Batch, Depot};
use crate::formats::simplestreams::SIGNATURE_SUFFIX;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::ImagesSource;

/// Collects one source of the selection.
pub fn collect(source: &ImagesSource, with: &CollectContext<'_>) -> Result<Collection, CollectError> {
    let keyring = source.keyring.as_deref().map(read_keyring).transpose()?;
    let forms = if source.publish == Publish::Verbatim { StreamForms::Both } else { StreamForms::First };
    let stream = stream::fetch(&source.url, keyring.as_ref(), forms, with.fetcher, with.now)?;
    with.tally.say(stream.notes.iter().map(|note| format!("{}: {note}", source.name)));
    with.tally.leave_out(Kind::Images, &source.name, stream.left_out.clone());
    let chosen = choose::choose(source, &stream.lists)?;
    let proofs = store_proofs(source, &stream, &chosen, with.depot)?;
    let select = |item: &ChosenImageFile| Selected {
        urls: vec![address::below(&stream.root, item.file.path.as_str())],
        size: item.file.size,
        digest: item.file.sha256.into(),
    };
    with.fetch_selected("fetching images", chosen.values().map(select).collect())?;
    Ok(Collection {
        files: chosen.values().map(|item| (item.file.path.clone(), item.file.sha256)).collect(),
        items: chosen.values().map(|item| describe(item, &stream)).collect(),
        kind: Kind::Images,
        name: source.name.clone(),
        origin: Origin::Url(address::origin(&stream.root)),
        proofs,
        publish: source.publish,
        second_digest: None,
        source: source.name.clone(),
    })
}

fn describe(item: &ChosenImageFile, stream: &VerifiedStream) -> Item {
    let list = stream.lists.get(item.list);
    let signed = list.filter(|list| !list.document.signers.is_empty());
    Item {
        architecture: item.architecture.clone(),
        file: item.file.path.clone(),
        details: Details::Image { stream: list.map(|list| list.content_id.to_string()).unwrap_or_default() },
        licence: String::new(),
        name: item.title.clone(),
        proof: signed.map(|list| list.document.path.clone()),
        publisher: String::new(), // a stream does not say
        reason: item.reason.to_owned(),
        source: None,
        version: item.version.clone(),
    }
}

/// The metadata that vouches for what was chosen. A stream that is published as it is needs all of its products files,
/// since clients follow the index.
fn store_proofs(
    source: &ImagesSource,
    stream: &VerifiedStream,
    chosen: &BTreeMap<PublishPath, ChosenImageFile>,
    depot: &Depot,
) -> Result<Vec<Proof>, CollectError> {
    let used: BTreeSet<usize> = chosen.values().map(|item| item.list).collect();
    let needed = |at: usize| source.publish == Publish::Verbatim || used.contains(&at);
    let lists = stream.lists.iter().enumerate().filter(|(at, _)| needed(*at)).map(|(_, list)| &list.document);
    let mut batch = depot.batch();
    let mut proofs = Vec::new();
    for document in std::iter::once(&stream.index).chain(lists).chain(&stream.other_form) {
        store(document, depot, &mut batch, &mut proofs)?;
    }
    batch.commit()?;
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(proofs)
}

fn store<'d>(
    document: &Document,
    depot: &'d Depot,
    batch: &mut Batch<'d>,
    proofs: &mut Vec<Proof>,
) -> Result<(), CollectError> {
    let signed_by: BTreeSet<String> = document.signers.iter().map(|signer| signer.fingerprint.clone()).collect();
    proofs.push(Proof {
        date: document.updated.filter(|_| !signed_by.is_empty()),
        path: document.path.clone(),
        sha256: depot.put(batch, &document.bytes)?,
        signed_by: signed_by.into_iter().collect(),
    });
    if let Some(signature) = &document.signature {
        let path = format!("{}{SIGNATURE_SUFFIX}", document.path).parse()?;
        proofs.push(Proof { date: None, path, sha256: depot.put(batch, signature)?, signed_by: Vec::new() });
    }
    Ok(())
}
