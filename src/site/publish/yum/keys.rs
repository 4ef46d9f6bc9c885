//! The keys that clients of a repository need.

use super::super::error::cannot;
use super::super::{Context, PublishError};
use crate::collection::{Collection, Publish};
use crate::formats::openpgp::armored_keyring;
use crate::formats::rpm::{REPOMD_ASC, REPOMD_KEY};
use crate::site::tree::Tree;

/// The step that can fail here.
const WRITE_KEYS: &str = "write the keys for clients";

/// Publishes upstream's keys, since rpm checks the signatures in packages, which stay upstream's. The keys that sign the
/// repository's list lie beside it, where zypper looks for them.
pub(super) fn add(collection: &Collection, context: &mut Context<'_, '_>, tree: &mut Tree) -> Result<(), PublishError> {
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
