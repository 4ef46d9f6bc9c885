//! Collects RPM repositories.
//!
//! `repository` fetches and verifies the metadata, `choose` decides which packages to take, and this file fetches them and
//! says what was collected.

mod choose;
mod repository;

use std::collections::{BTreeMap, BTreeSet};

use self::choose::Chosen;
use self::repository::Repository;
use super::error::unusable;
use super::keyring::read_keyring;
use super::omission::Omission;
use super::{CollectContext, CollectError, Selected, address};
use crate::collection::{Collection, Item, Proof, Publish, SourcePackage};
use crate::error_class::{Fault, causes};
use crate::formats::Invalid;
use crate::formats::rpm::{
    self, DELTAS, Data, MODULES, Modules, OddEntry, PRIMARY, Package, REPOMD, REPOMD_ASC, packages,
};
use crate::formats::signed_digest::SignedDigest;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::YumSource;
use crate::terminal::safe;

/// Collects one source of the selection.
pub fn collect(source: &YumSource, with: &CollectContext<'_>) -> Result<Collection, CollectError> {
    let keyring = source.keyring.as_deref().map(read_keyring).transpose()?;
    let repository = repository::fetch(&source.url, keyring.as_ref(), source.publish, with)?;
    with.tally.leave_out(Kind::Yum, &source.name, unusable_metadata(&repository));
    let listed = listed(source, &repository, with)?;
    let has_packages = !listed.is_empty();
    let packages = reachable(source, listed, with);
    if has_packages && packages.is_empty() {
        let name = &source.name;
        return Err(Fault::usage(format!(
            "all packages of {name} are outside of the repository, where clients of a verbatim one would not find them: set \
             publish = \"re-indexed\" for {name}"
        ))
        .into());
    }
    let mut chosen = choose::choose(source, packages, &modules(&repository, with)?)?;
    // Upstream's own metadata offers its deltas, and a client that asks for one takes no package instead.
    for kind in DELTAS {
        let Some(data) = repository.repomd.get(kind) else { continue };
        let added = choose::add_deltas(&mut chosen, kind, deltas(source, data, with)?);
        added.map_err(|error| unusable(&data.path, error))?;
    }
    let select = |chosen: &Chosen| {
        let url = address::at(&repository.root, chosen.package.place_at_upstream())?;
        Ok(Selected { urls: vec![url], size: chosen.package.size, digest: chosen.package.digest })
    };
    let selected = chosen.values().map(select).collect::<Result<Vec<_>, CollectError>>()?;
    let lacking = with.fetch_available("fetching packages", &selected, source.missing)?;
    let is_lacking = |(_, chosen): &(&PublishPath, &Chosen)| lacking.contains(&chosen.package.digest);
    let left_out = chosen.iter().filter(is_lacking).map(|(path, _)| {
        let note = format!("left out {path}, which upstream lists and does not have");
        Omission::new(path.as_str(), "upstream lists it and does not have it").noted(note)
    });
    with.tally.leave_out(Kind::Yum, &source.name, left_out);
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
        origin: Origin::Url(address::origin(&repository.root)),
        proofs: store_proofs(&repository, with)?,
        publish: source.publish,
        second_digest,
        source: source.name.clone(),
    })
}

/// Returns the metadata that repomd.xml lists and that is not carried.
fn unusable_metadata(repository: &Repository) -> Vec<Omission> {
    let lacking = repository.lacking.iter().map(|path| {
        let note = format!("left out {path}, which repomd.xml lists and upstream does not have");
        Omission::new(path.to_string(), "repomd.xml lists it and upstream does not have it").noted(note)
    });
    let odd = repository.repomd.odd.iter().map(|reason| Omission::new("an entry of repomd.xml", reason.to_string()));
    lacking.chain(odd).collect()
}

/// The packages that clients of the published metadata can ask for. Of a verbatim repository the others are left out with a
/// note.
fn reachable(source: &YumSource, packages: Vec<Package>, with: &CollectContext<'_>) -> Vec<Package> {
    let is_foreign = |package: &Package| source.publish == Publish::Verbatim && package.foreign_location.is_some();
    let (foreign, reachable): (Vec<_>, Vec<_>) = packages.into_iter().partition(is_foreign);
    let left_out = foreign.iter().map(|package| {
        let why = "verbatim metadata sends clients to this location, where the site has nothing. With publish = \"re-indexed\" it is \
                   carried";
        Omission::new(safe(package.place_at_upstream()).to_string(), why)
    });
    with.tally.leave_out(Kind::Yum, &source.name, left_out);
    reachable
}

fn describe(chosen: Chosen, proof: Option<&PublishPath>) -> Item {
    let source = chosen.package.source().map(SourcePackage::from);
    let Package { name, architecture, evr, vendor, licence, file, .. } = chosen.package;
    Item {
        architecture,
        file,
        licence,
        details: Details::Rpm { list: chosen.listed_in.to_owned() },
        name,
        proof: proof.cloned(),
        publisher: vendor,
        reason: chosen.reason.to_owned(),
        source,
        version: evr.to_string(),
    }
}

/// All packages of the repository, each once. Two different ones that claim one file are refused. Entries that cannot be
/// carried are named in notes, unless the list has no others.
fn listed(
    source: &YumSource,
    repository: &Repository,
    with: &CollectContext<'_>,
) -> Result<Vec<Package>, CollectError> {
    let Some(primary) = repository.repomd.get(PRIMARY) else { return Ok(Vec::new()) };
    let (mut found, mut odd, mut paths) = (Vec::<Package>::new(), Vec::new(), BTreeMap::new());
    repository::read(primary, with, |text| {
        packages(text, |entry, _| {
            let package = match entry {
                Ok(package) => package,
                Err(entry) => {
                    odd.push(entry);
                    return Ok::<(), Invalid>(());
                }
            };
            let at = *paths.entry(package.file.clone()).or_insert(found.len());
            match found.get(at) {
                None => found.push(package),
                Some(same) if *same == package => {}
                Some(_) => return Err(Invalid::twice(&package.file)),
            }
            Ok(())
        })
    })?;
    with.tally.leave_out(Kind::Yum, &source.name, odd.iter().map(omission));
    match odd.into_iter().next().filter(|_| found.is_empty()) {
        Some(OddEntry { reason, .. }) => Err(unusable(&primary.path, reason).into()),
        None => Ok(found),
    }
}

fn omission(entry: &OddEntry) -> Omission {
    Omission::new(safe(&entry.entry).to_string(), causes(&entry.reason).join(": "))
}

fn deltas(source: &YumSource, data: &Data, with: &CollectContext<'_>) -> Result<Vec<Package>, CollectError> {
    let mut found = Vec::new();
    repository::read(data, with, |text| {
        rpm::deltas(text, &data.kind, |entry| {
            found.push(entry);
            Ok::<(), Invalid>(())
        })
    })?;
    let (found, odd): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    let odd = odd.into_iter().filter_map(Result::err);
    with.tally.leave_out(Kind::Yum, &source.name, odd.map(|entry| omission(&entry)));
    Ok(reachable(source, found.into_iter().flatten().collect(), with))
}

fn modules(repository: &Repository, with: &CollectContext<'_>) -> Result<Modules, CollectError> {
    let modules = repository.repomd.get(MODULES);
    modules.map_or_else(|| Ok(Modules::default()), |data| repository::read(data, with, |text| Modules::read(text)))
}

/// The metadata that vouches for the packages, and that clients are given.
fn store_proofs(repository: &Repository, with: &CollectContext<'_>) -> Result<Vec<Proof>, CollectError> {
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
