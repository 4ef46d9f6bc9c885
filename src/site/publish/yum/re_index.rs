//! Writes metadata that lists exactly what is there, signed with the site's key.
//!
//! What lists packages is cut; groups, module streams and advisories are upstream's, byte for byte: clients pass over what
//! these say of packages that are not there, and a module stream that lacks a package would not be that stream.

use super::super::{Context, PublishError};
use super::repository::{Repository, bad, read};
use super::{Carried, is_here};
use crate::collection::Collection;
use crate::digest::Sha256;
use crate::formats::rpm::{
    Cut, Data, DataLine, LISTS, PRIMARY, REPOMD, REPOMD_ASC, RpmError, cut_by, cut_packages, repomd_text, with_digest,
};
use crate::site::tree::Tree;

/// Adds the repository's metadata to the tree.
pub(super) fn re_indexed(
    repository: &Repository,
    collection: &Collection,
    carried: &Carried,
    tree: &mut Tree,
    context: &mut Context<'_, '_>,
) -> Result<(), PublishError> {
    let mut lines = Vec::new();
    for data in repository.data() {
        let line = match LISTS.contains(&data.kind.as_str()) {
            true => list(data, collection, carried, context)?,
            false => DataLine {
                kind: data.kind.clone(),
                path: with_digest(data.path.as_str(), &data.sha256)?,
                sha256: data.sha256,
                size: data.size,
                open_sha256: data.open_sha256,
                open_size: data.open_size,
            },
        };
        tree.add(line.path.clone(), line.sha256);
        lines.push(line);
    }
    let made = context.date.unix();
    let text = repomd_text(&lines, made);
    let signature = context.key.sign_detached(text.as_bytes(), made).map_err(PublishError::Sign)?;
    for (path, text) in [(REPOMD, &text), (REPOMD_ASC, &signature)] {
        let digest = context.put(text.as_bytes())?;
        tree.add(path.parse()?, digest);
    }
    Ok(())
}

/// Cuts a list, and stores it.
fn list(
    data: &Data,
    collection: &Collection,
    carried: &Carried,
    context: &mut Context<'_, '_>,
) -> Result<DataLine, PublishError> {
    let Cut { bytes, open_sha256, open_size, .. } = cut(data, collection, carried, context)?;
    let sha256 = context.put(&bytes)?;
    Ok(DataLine {
        kind: data.kind.clone(),
        path: with_digest(&format!("{}.xml.gz", data.kind), &sha256)?,
        sha256,
        size: bytes.len() as u64,
        open_sha256: Some(open_sha256),
        open_size: Some(open_size),
    })
}

fn cut(
    data: &Data,
    collection: &Collection,
    carried: &Carried,
    context: &Context<'_, '_>,
) -> Result<Cut, PublishError> {
    let upstream = read(context, data)?;
    let open = || data.expand(upstream.as_slice());
    let expected = collection.files.len();
    let cut: Result<Cut, RpmError> = match data.kind.as_str() {
        PRIMARY => cut_packages(open, expected, |package| is_here(collection, context, package)),
        kind => cut_by(open, kind, expected, |digest: &Sha256| carried.digests.contains(digest)),
    };
    cut.map_err(|source| bad(data, source))
}
