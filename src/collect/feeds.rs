//! Collects security data of upstreams, unchanged. Where upstream signs it, the signature is verified here and travels along.

use std::collections::BTreeMap;

use url::Url;

use super::answer_memory::RememberedAnswer;
use super::detached::DetachedSignature;
use super::keyring::read_keyring;
use super::{CollectContext, CollectError, address};
use crate::collection::{Collection, Item, Proof, Publish};
use crate::depot::Batch;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::fetch::{UnsignedAnswer, UnsignedFile, UnsignedOffer};
use crate::formats::feed::{FeedFormat, SIGNATURE_SUFFIX, check_feed};
use crate::formats::openpgp::{Keyring, MAX_SIGNATURE_FILE_BYTES};
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::FeedsSource;
use crate::storage::FileError;

/// The largest file of security data, in bytes. The largest archives of upstreams have some 300 MB.
const MAX_FEED_BYTES: u64 = 2 << 30;

/// Fetches the files of a source, unless the depot has them already, and checks that they are what the selection says.
pub(super) fn collect(source: &FeedsSource, with: &CollectContext<'_>) -> Result<Collection, CollectError> {
    let keyring = source.keyring.as_deref().map(read_keyring).transpose()?;
    let mut batch = with.depot.batch();
    let mut files = BTreeMap::new();
    for path in &source.files {
        let url = address::below(&source.url, path.as_str());
        files.insert(path.clone(), (fetch(&url, &mut batch, with)?, url));
    }
    batch.commit()?;
    let mut batch = with.depot.batch();
    let (mut items, mut proofs) = (Vec::new(), Vec::new());
    for (path, (file, url)) in &files {
        check(source.format, path, &file.sha256, with)?;
        let proof = keyring.as_ref().map(|keyring| prove(path, file, url, keyring, &mut batch, with)).transpose()?;
        items.push(describe(source.format, path, file, proof.as_ref()));
        proofs.extend(proof);
    }
    batch.commit()?;
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Collection {
        files: files.iter().map(|(path, (file, _))| (path.clone(), file.sha256)).collect(),
        items,
        kind: Kind::Feeds,
        name: source.name.clone(),
        origin: Origin::Url(address::origin(&source.url)),
        proofs,
        publish: Publish::Verbatim,
        second_digest: None,
        source: source.name.clone(),
    })
}

fn describe(format: FeedFormat, path: &PublishPath, file: &RememberedAnswer, proof: Option<&Proof>) -> Item {
    let date = file.validators.date();
    Item {
        architecture: String::new(),
        details: Details::Feed { date, format },
        file: path.clone(),
        licence: String::new(),
        name: path.to_string(),
        proof: proof.map(|proof| proof.path.clone()),
        publisher: String::new(),
        reason: "requested".to_owned(),
        source: None,
        version: date.map_or_else(|| file.sha256.abbreviated(), |date| date.to_string()),
    }
}

/// Fetches a file into the depot, unless its server says that it is the one that is there. On a dry run another file stands for one that
/// would be fetched: its digest is not known yet.
fn fetch(url: &Url, batch: &mut Batch<'_>, with: &CollectContext<'_>) -> Result<RememberedAnswer, CollectError> {
    let mut known = None;
    if let Some(answer) = with.answers.find(url) {
        known = with.depot.has(&answer.sha256, answer.size)?.then(|| answer.clone());
    }
    // A file under construction has no digest yet, so its address stands in for it.
    let alias = Sha256::of(url.as_str().as_bytes());
    let validators = known.as_ref().map(|known| known.validators.clone()).unwrap_or_default();
    let to = with.depot.partial_path(&alias);
    let wanted = UnsignedFile { url: url.clone(), cap: MAX_FEED_BYTES, to, known: validators };
    let answer = match with.dry_run {
        true => look(&wanted, alias, with)?,
        false => take(&wanted, alias, batch, with)?,
    };
    let Some(answer) = answer.or(known) else {
        // It was asked for without a condition.
        return Err(Fault::unverified(format!(
            "{} has not changed, says its server, but was never fetched",
            address::origin(url)
        ))
        .into());
    };
    with.answers.note(url, answer.clone());
    with.tally.add(1, answer.size);
    Ok(answer)
}

/// Returns `None` if the file is the known one.
fn take(
    wanted: &UnsignedFile,
    alias: Sha256,
    batch: &mut Batch<'_>,
    with: &CollectContext<'_>,
) -> Result<Option<RememberedAnswer>, CollectError> {
    let progress = with.progress.phase("fetching security data", 0);
    let answer = with.fetcher.fetch_unsigned(wanted, &progress);
    progress.finish();
    let UnsignedAnswer::Fetched { sha256, size, validators } = answer? else { return Ok(None) };
    with.tally.add_missing(1, size);
    with.depot.rename_partial(&alias, &sha256)?;
    batch.add(sha256, size)?;
    Ok(Some(RememberedAnswer { sha256, size, validators }))
}

fn look(
    wanted: &UnsignedFile,
    alias: Sha256,
    with: &CollectContext<'_>,
) -> Result<Option<RememberedAnswer>, CollectError> {
    let UnsignedOffer::Other { size, validators } = with.fetcher.look_at_unsigned(wanted)? else { return Ok(None) };
    let size = size.unwrap_or_default();
    with.tally.add_missing(1, size);
    Ok(Some(RememberedAnswer { sha256: alias, size, validators }))
}

/// Refuses what is no data of its format, such as the page by which a proxy asks for a login.
fn check(
    format: FeedFormat,
    path: &PublishPath,
    sha256: &Sha256,
    with: &CollectContext<'_>,
) -> Result<(), CollectError> {
    // On a dry run what would be fetched is not here.
    if !with.depot.holds(sha256)? {
        return Ok(());
    }
    let bad = |error| Fault::unverified(format!("{path} is no security data of the format {format}")).because(error);
    let checked = check_feed(format, path.as_str(), with.depot.open_blob(sha256)?);
    checked.map_err(|error| error.map(FileError::on("read", &with.depot.place(sha256)), |error| bad(error).into()))
}

/// Fetches and verifies the signature of a file.
fn prove(
    path: &PublishPath,
    file: &RememberedAnswer,
    url: &Url,
    keyring: &Keyring,
    batch: &mut Batch<'_>,
    with: &CollectContext<'_>,
) -> Result<Proof, CollectError> {
    let mut beside = url.clone();
    beside.set_path(&format!("{}{SIGNATURE_SUFFIX}", url.path()));
    let signature = with.fetcher.get(&beside, MAX_SIGNATURE_FILE_BYTES)?;
    let mut signed_by = Vec::new();
    if with.depot.holds(&file.sha256)? {
        let mut blob = with.depot.open_blob(&file.sha256)?;
        let place = with.depot.place(&file.sha256);
        let signature = DetachedSignature { bytes: &signature, keyring, now: with.now };
        signed_by = signature.signers(path.as_str(), &mut blob, &place)?;
    }
    let proof_path = format!("{path}{SIGNATURE_SUFFIX}").parse::<PublishPath>()?;
    Ok(Proof { date: file.validators.date(), path: proof_path, sha256: with.depot.put(batch, &signature)?, signed_by })
}
