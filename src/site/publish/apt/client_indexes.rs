//! Indexes for client programs of a re-indexed suite: upstream's, cut down to the packages that the suite publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read as _};

use super::super::error::{COMPRESS, cannot, index_not_vouched};
use super::re_index::{MAX_TEXT_BYTES, PackedIndex, SuiteIndexes};
use super::root::Root;
use super::{expand_listed, is_listed};
use crate::collection::{Collection, Proof};
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::apt::archive::IndexKind;
use crate::formats::apt::client_index::{ClientIndex, ClientIndexKind};
use crate::formats::apt::cut_index::{CutIndex, Names, cut_contents};
use crate::formats::apt::deb822::Stanzas;
use crate::formats::apt::index_blocks::EntryForm;
use crate::formats::apt::translation::Descriptions;
use crate::formats::compression::{Compression, reader};
use crate::path::PublishPath;
use crate::site::publish::{Context, PublishError};

/// The largest list of files that is read, in bytes uncompressed. It is read as a stream; Debian's largest has some 0.6 GB.
const MAX_CONTENTS_BYTES: u64 = 16 << 30;

/// The cut indexes, by the paths of the plain ones below the suite. One that would say nothing is left out: clients need not ask
/// for it.
pub(super) fn cut(
    collection: &Collection,
    root: &Root,
    suite: &SuiteIndexes,
    context: &mut Context<'_, '_>,
) -> Result<BTreeMap<String, PackedIndex>, PublishError> {
    let packages = SuitePackages::of(suite);
    let mut cut = BTreeMap::new();
    for proof in &collection.proofs {
        let Some(name) = root.below(&proof.path).and_then(ClientIndex::parse) else { continue };
        let names = packages.names(name.component);
        let text = match name.kind {
            ClientIndexKind::Contents => contents(root, proof, &names, context)?,
            ClientIndexKind::Translations => {
                let mut kept = Vec::new();
                expand_listed(context, root, proof, EntryForm::Stanzas, |block, _| {
                    kept.extend(packages.descriptions.cut(block));
                    within(kept.len(), &proof.path)
                })?;
                packed(&kept)?
            }
            ClientIndexKind::Commands => {
                let mut cut = CutIndex::default();
                expand_listed(context, root, proof, EntryForm::Stanzas, |block, _| {
                    cut.add_commands(block, &names);
                    within(cut.size(), &proof.path)
                })?;
                packed(&cut.finish())?
            }
            ClientIndexKind::Appstream => {
                let mut cut = CutIndex::default();
                expand_listed(context, root, proof, EntryForm::Documents, |block, _| {
                    cut.add_components(block, &names);
                    within(cut.size(), &proof.path)
                })?;
                packed(&cut.finish())?
            }
            _ => continue,
        };
        if text.size > 0 {
            cut.insert(name.plain_path.to_owned(), text);
        }
    }
    Ok(cut)
}

/// Refuses an index of which more is kept than [`MAX_TEXT_BYTES`].
fn within(size: usize, path: &PublishPath) -> Result<(), PublishError> {
    if size <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let what = format!("{path} says more than {} MiB of the packages that are carried", MAX_TEXT_BYTES >> 20);
    Err(Fault::unverified(what).into())
}

fn packed(text: &[u8]) -> Result<PackedIndex, PublishError> {
    PackedIndex::write(|out| out.write_all(text)).map_err(cannot(COMPRESS)).map_err(PublishError::from)
}

/// Cuts a list of files as a stream.
fn contents(
    root: &Root,
    proof: &Proof,
    names: &Names<'_>,
    context: &mut Context<'_, '_>,
) -> Result<PackedIndex, PublishError> {
    let path = &proof.path;
    if !is_listed(context, root, path, proof.sha256)? {
        return Err(index_not_vouched(path).into());
    }
    let kind = Compression::of_name(path.as_str());
    let bad = |error: Invalid| Invalid::new(format!("cannot expand {path}")).because(error);
    let cut = context.depot.read_checked(&proof.sha256, |blob| {
        let text = reader(blob, kind)?.take(MAX_CONTENTS_BYTES);
        let cut = PackedIndex::write(|mut out| cut_contents(BufReader::with_capacity(1 << 20, text), names, &mut out));
        cut.map_err(|source: io::Error| kind.corrupt(source))
    });
    Ok(cut?.map_err(bad)?)
}

/// The packages of a suite.
struct SuitePackages<'s> {
    descriptions: Descriptions<'s>,
    /// Their names, by component.
    by_component: BTreeMap<&'s str, Names<'s>>,
}

impl<'s> SuitePackages<'s> {
    fn of(suite: &'s SuiteIndexes) -> Self {
        let mut packages = Self { descriptions: Descriptions::default(), by_component: BTreeMap::new() };
        for index in suite.indexes.values().filter(|index| index.kind == IndexKind::Packages) {
            packages.descriptions.add(&index.text);
            let names = Stanzas::new(&index.text).filter_map(|stanza| stanza.field("Package"));
            packages.by_component.entry(&index.component).or_default().extend(names);
        }
        packages
    }

    /// The names of the packages of a component, or of all of them.
    fn names(&self, component: Option<&str>) -> Names<'s> {
        let of = |name: &str| component.is_none_or(|component| component == name);
        let all = self.by_component.iter().filter(|(name, _)| of(name));
        all.flat_map(|(_, names)| names.iter().copied()).collect::<BTreeSet<_>>()
    }
}
