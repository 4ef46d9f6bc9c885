//! Collects RPM repositories.
//!
//! `repository` fetches and verifies the metadata, `choose` decides which packages to take, and this file fetches them and
//! says what was collected.

mod choose;
mod error;
mod repository;

use std::collections::{BTreeMap, BTreeSet};

pub use error::YumError;

use self::choose::Chosen;
use self::repository::Repository;
use super::keyring::read_keyring;
use super::{CollectContext, Selected, address};
use crate::collection::{Collection, Item, Proof};
use crate::formats::rpm::{
    self, DELTAS, Data, MODULES, Modules, PRIMARY, Package, REPOMD, REPOMD_ASC, RpmError, packages,
};
use crate::formats::signed_digest::SignedDigest;
use crate::kind::Kind;
use crate::path::PublishPath;
use crate::selection::YumSource;

/// Collects one source of the selection.
pub fn collect(source: &YumSource, with: &CollectContext<'_>) -> Result<Collection, YumError> {
    let keyring = source.keyring.as_deref().map(read_keyring).transpose()?;
    let repository = repository::fetch(&source.url, keyring.as_ref(), source.publish, with)?;
    let mut chosen = choose::choose(source, listed(&repository, with)?, &modules(&repository, with)?)?;
    // Upstream's own metadata offers its deltas, and a client that asks for one takes no package instead.
    for kind in DELTAS {
        let Some(data) = repository.repomd.get(kind) else { continue };
        let added = choose::add_deltas(&mut chosen, kind, deltas(data, with)?);
        added.map_err(|source| YumError::Rpm { path: data.path.clone(), source })?;
    }
    let select = |chosen: &Chosen| {
        let url = address::below(&repository.root, chosen.package.file.as_str())?;
        Ok(Selected { urls: vec![url], size: chosen.package.size, digest: chosen.package.digest })
    };
    let selected = chosen.values().map(select).collect::<Result<_, YumError>>()?;
    let lacking = with.fetch_available("fetching packages", selected, source.missing)?;
    with.tally.say(
        chosen
            .iter()
            .filter(|(_, chosen)| lacking.contains(&chosen.package.digest))
            .map(|(path, _)| format!("{}: left out {path}, which upstream lists and does not have", source.name)),
    );
    chosen.retain(|_, chosen| !lacking.contains(&chosen.package.digest));
    let proof: Option<PublishPath> = repository.signature.is_some().then(|| REPOMD.parse()).transpose()?;
    let blob = |chosen: &Chosen| with.blob(&chosen.package.digest, chosen.package.size);
    let digests = chosen.values().map(|chosen| chosen.package.digest);
    let second_digest = SignedDigest::second_kind(digests.chain(repository.repomd.data.iter().map(|data| data.digest)));
    Ok(Collection {
        files: chosen.iter().map(|(path, chosen)| (path.clone(), blob(chosen))).collect(),
        items: chosen.into_values().map(|chosen| describe(chosen, proof.as_ref())).collect(),
        kind: Kind::Yum,
        name: source.name.clone(),
        origin: address::origin(&repository.root),
        proofs: store_proofs(&repository, with)?,
        publish: source.publish,
        second_digest,
        source: source.name.clone(),
    })
}

fn describe(chosen: Chosen, proof: Option<&PublishPath>) -> Item {
    let Package { name, architecture, evr, vendor, file, .. } = chosen.package;
    Item {
        architecture,
        file,
        image: None,
        name,
        origin: chosen.listed_in.to_owned(),
        proof: proof.cloned(),
        publisher: vendor,
        reason: chosen.reason.to_owned(),
        version: evr.to_string(),
    }
}

/// All packages of the repository, each once. Two different ones that claim one file are refused.
fn listed(repository: &Repository, with: &CollectContext<'_>) -> Result<Vec<Package>, YumError> {
    let Some(primary) = repository.repomd.get(PRIMARY) else { return Ok(Vec::new()) };
    repository::read(primary, with, |text| {
        let (mut found, mut paths) = (Vec::<Package>::new(), BTreeMap::new());
        packages(text, |package, _| {
            let at = *paths.entry(package.file.clone()).or_insert(found.len());
            match found.get(at) {
                None => found.push(package),
                Some(same) if *same == package => {}
                Some(_) => return Err(RpmError::Twice { place: package.file.to_string() }),
            }
            Ok(())
        })?;
        Ok(found)
    })
}

fn deltas(data: &Data, with: &CollectContext<'_>) -> Result<Vec<Package>, YumError> {
    repository::read(data, with, |text| {
        let mut found = Vec::new();
        rpm::deltas(text, &data.kind, |delta| {
            found.push(delta);
            Ok::<(), RpmError>(())
        })?;
        Ok(found)
    })
}

fn modules(repository: &Repository, with: &CollectContext<'_>) -> Result<Modules, YumError> {
    let modules = repository.repomd.get(MODULES);
    modules.map_or_else(|| Ok(Modules::default()), |data| repository::read(data, with, |text| Modules::read(text)))
}

/// The metadata that vouches for the packages, and that clients are given.
fn store_proofs(repository: &Repository, with: &CollectContext<'_>) -> Result<Vec<Proof>, YumError> {
    let mut batch = with.depot.batch();
    let signed_by: BTreeSet<String> = repository.signers.iter().map(|signer| signer.fingerprint.clone()).collect();
    let mut proofs = vec![Proof {
        date: repository.repomd.date.filter(|_| !signed_by.is_empty()),
        path: REPOMD.parse()?,
        sha256: with.depot.put(&mut batch, &repository.text)?,
        signed_by: signed_by.into_iter().collect(),
    }];
    if let Some(signature) = &repository.signature {
        let sha256 = with.depot.put(&mut batch, signature)?;
        proofs.push(Proof { date: None, path: REPOMD_ASC.parse()?, sha256, signed_by: Vec::new() });
    }
    batch.commit()?;
    let data = repository.repomd.data.iter();
    proofs.extend(data.map(|data| Proof {
        date: None,
        path: data.path.clone(),
        sha256: with.blob(&data.digest, data.size),
        signed_by: vec![],
    }));
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(proofs)
}
