//! Items with detached signatures of their own: images, and security data. A signature is over the bytes of a file alone, and says nothing
//! of its name.

use std::collections::BTreeSet;

use super::error::{not_vouched, unknown_proof, untrusted};
use super::{Context, PublishError};
use crate::collection::{Collection, Item};
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::formats::openpgp::{MAX_SIGNATURE_FILE_BYTES, verify_detached_file};
use crate::path::PublishPath;

/// Checks that each item has its own signature by a pinned key, beside it under its name and `suffix`, or that the site allows that it has
/// none. Refuses other proofs.
pub(super) fn check_signatures(
    collection: &Collection,
    context: &Context<'_, '_>,
    suffix: &str,
) -> Result<(), PublishError> {
    let mut strays: BTreeSet<&PublishPath> = collection.proofs.iter().map(|proof| &proof.path).collect();
    for item in &collection.items {
        let beside: PublishPath = format!("{}{suffix}", item.file).parse()?;
        match (&item.proof, collection.proof(&beside)) {
            (None, None) => context.check_unsigned(&collection.source, &item.file)?,
            (Some(proof), Some(signature)) if *proof == beside => {
                strays.remove(&beside);
                verify(collection, context, item, signature)?;
            }
            (None, Some(_)) => return Err(unknown_proof(&beside).into()),
            (Some(_), _) => return Err(not_vouched(&item.file).into()),
        }
    }
    strays.first().map_or(Ok(()), |path| Err(unknown_proof(path).into()))
}

/// Verifies the signature over the item's blob, which is read piece by piece.
fn verify(
    collection: &Collection,
    context: &Context<'_, '_>,
    item: &Item,
    signature: Sha256,
) -> Result<(), PublishError> {
    let keyring = context.pinned(collection)?;
    let blob = collection.blob(&item.file).ok_or_else(|| not_vouched(&item.file))?;
    let signature = context.depot.read(&signature, MAX_SIGNATURE_FILE_BYTES)?;
    let mut file = context.depot.open_blob(&blob)?;
    let verdict = verify_detached_file(&mut file, &signature, keyring, context.verified.unix());
    if verdict.is_err() {
        context.depot.verify(&blob)?; // a disk that has changed the blob says nothing against the signature
    }
    let unsigned = |error| PublishError::from(untrusted(&item.file, error));
    let unreadable = |error| DepotError::io("read", &context.depot.place(&blob))(error).into();
    verdict.map_err(|error| error.map(unreadable, unsigned))?;
    Ok(())
}
