//! Writes metadata that lists exactly what is there, signed with the site's key.
//!
//! What lists packages is cut; groups, module streams and advisories are upstream's, byte for byte: clients pass over what
//! these say of packages that are not there, and a module stream that lacks a package would not be that stream.

use super::super::error::{SIGN, cannot, unusable};
use super::super::{Context, PublishError};
use super::Carried;
use super::repository::CarriedRepository;
use crate::formats::Invalid;
use crate::formats::rpm::{
    Cut, Data, DataLine, LISTS, PRIMARY, Package, REPOMD, REPOMD_ASC, cut_by, cut_packages, repomd_text, with_digest,
};
use crate::site::tree::Tree;

/// Adds the repository's metadata to the tree.
pub(super) fn re_indexed(
    repository: &CarriedRepository,
    carried: &Carried,
    tree: &mut Tree,
    context: &mut Context<'_, '_>,
) -> Result<(), PublishError> {
    let mut lines = Vec::new();
    for data in repository.data() {
        let blob = repository.blob(data)?;
        let line = match LISTS.contains(&data.kind.as_str()) {
            true => list(repository, data, carried, context)?,
            false => DataLine {
                kind: data.kind.clone(),
                path: with_digest(data.path.as_str(), &blob)?,
                sha256: blob,
                size: data.size,
                open_digest: data.open_digest,
                open_size: data.open_size,
            },
        };
        tree.add(line.path.clone(), line.sha256);
        lines.push(line);
    }
    let made = context.date.unix();
    let text = repomd_text(&lines, made);
    let signature = context.key.sign_detached(text.as_bytes(), made).map_err(cannot(SIGN))?;
    for (path, text) in [(REPOMD, &text), (REPOMD_ASC, &signature)] {
        let digest = context.put(text.as_bytes())?;
        tree.add(path.parse()?, digest);
    }
    Ok(())
}

/// Cuts a list, and stores it.
fn list(
    repository: &CarriedRepository,
    data: &Data,
    carried: &Carried,
    context: &mut Context<'_, '_>,
) -> Result<DataLine, PublishError> {
    let Cut { bytes, open_sha256, open_size, .. } = cut(repository, data, carried, context)?;
    let sha256 = context.put(&bytes)?;
    Ok(DataLine {
        kind: data.kind.clone(),
        path: with_digest(&format!("{}.xml.gz", data.kind), &sha256)?,
        sha256,
        size: bytes.len() as u64,
        open_digest: Some(open_sha256.into()),
        open_size: Some(open_size),
    })
}

fn cut(
    repository: &CarriedRepository,
    data: &Data,
    carried: &Carried,
    context: &Context<'_, '_>,
) -> Result<Cut, PublishError> {
    let upstream = repository.read_data(context, data)?;
    let open = || data.expand(upstream.as_slice());
    let expected = carried.packages.len();
    let cut: Result<Cut, Invalid> = match data.kind.as_str() {
        PRIMARY => {
            let is_carried = |package: &Package| carried.packages.contains(&(package.file.clone(), package.digest));
            cut_packages(open, expected, is_carried)
        }
        kind => cut_by(open, kind, expected, |digest| carried.digests.contains(digest)),
    };
    Ok(cut.map_err(|error| unusable(&data.path, error))?)
}
