//! Collects toys.

use std::collections::BTreeMap;

use super::{CollectContext, CollectError};
use crate::collection::{Collection, Item, Publish};
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::ToySource;

/// Takes the toy of a table into the depot.
pub(super) fn collect(source: &ToySource, with: &CollectContext<'_>) -> Result<Collection, CollectError> {
    let mut batch = with.depot.batch();
    let sha256 = with.depot.put(&mut batch, source.text.as_bytes())?;
    batch.commit()?;
    let file: PublishPath = format!("box/{}", source.name).parse().unwrap();
    let item = Item {
        architecture: String::new(),
        details: Details::File { origin: Origin::Local },
        file: file.clone(),
        licence: String::new(),
        name: source.name.to_string(),
        proof: None,
        publisher: String::new(),
        reason: "requested".to_owned(),
        source: None,
        version: "1".to_owned(),
    };
    Ok(Collection {
        files: BTreeMap::from([(file, sha256)]),
        items: vec![item],
        kind: Kind::Toy,
        name: source.name.clone(),
        origin: Origin::Local,
        proofs: Vec::new(),
        publish: Publish::ReIndexed,
        second_digest: None,
        source: source.name.clone(),
    })
}
