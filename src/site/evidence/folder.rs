//! Evidence in a folder: who has signed which of its files.

use std::path::Path;

use super::super::SiteError;
use super::facts::EvidenceFacts;
use super::keep::{AGAINST, KEYRINGS, PROOFS};
use super::record::EvidenceRecord;
use crate::bundle::state::ListLine;
use crate::bundle::state::stored_state::StoredState;
use crate::bundle::{BundleError, names};
use crate::kind::ClientProgram;
use crate::label::Label;
use crate::storage::read_capped;
use crate::time::Time;
use crate::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, Role, TrustFile, TrustedKey, verify};

/// The largest packing or signature that is read again, in bytes.
const MAX_SIGNED_BYTES: u64 = 64 << 20;

/// A file of upstream's with an OpenPGP signature, by their paths in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedProof {
    pub(super) keyring: String,
    pub(super) file: String,
    /// The detached signature; `None` if the file has it inside.
    pub(super) signature: Option<String>,
}

/// A file that a builder signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BuilderSigned {
    pub(super) file: String,
    pub(super) namespace: &'static str,
    /// The person whose key signed it, if that key counts as of the time of the decision.
    pub(super) person: Option<Label>,
}

/// Evidence in a folder.
#[derive(Debug)]
pub struct EvidenceFolder {
    /// Its facts.
    pub facts: EvidenceFacts,
    /// The trust file by which the bundle was judged.
    pub trust: TrustFile,
    /// `true` if the log has the line of an import with the policy and the trust file.
    pub(super) is_judged_in_log: bool,
    /// `true` if manifest and item lists are here, so that reports can be made of them.
    pub has_lists: bool,
    /// `true` if the state that was published before is in the folder `against`.
    pub has_against: bool,
    /// The manifest and the packings.
    pub(super) signed: Vec<BuilderSigned>,
    pub(super) proofs: Vec<SignedProof>,
    /// The collections whose files of upstream's are here, as KIND/NAME, with their lists.
    pub(super) lists: Vec<(String, String)>,
}

impl EvidenceFolder {
    pub(super) fn open(
        folder: &Path,
        record: &EvidenceRecord,
        facts: EvidenceFacts,
        trust: TrustFile,
    ) -> Result<Self, SiteError> {
        let is_here = |path: &str| folder.join(path).is_file();
        let packings = record.files.keys().filter(|path| path.starts_with(names::PACKINGS) && path.ends_with(".json"));
        let packings = packings.filter(|path| is_here(path) && is_here(&format!("{path}.sig")));
        let manifest = names::MANIFEST.to_owned();
        let files = [(&manifest, MANIFEST_NAMESPACE)].into_iter().chain(packings.map(|path| (path, PACKING_NAMESPACE)));
        let signed = files.map(|(file, namespace)| {
            let person = builder_of(folder, file, namespace, &trust, facts.time)?;
            Ok(BuilderSigned { file: file.clone(), namespace, person })
        });
        let signed = signed.collect::<Result<Vec<_>, SiteError>>()?;
        let manifest = folder.join(names::MANIFEST);
        let mut opened = Self {
            facts,
            trust,
            is_judged_in_log: false,
            has_lists: false,
            has_against: false,
            signed,
            proofs: Vec::new(),
            lists: Vec::new(),
        };
        if let Ok(state) = StoredState::in_files(&manifest, folder) {
            opened.has_lists = true;
            opened.has_against =
                StoredState::in_files(&folder.join(AGAINST).join(names::MANIFEST), &folder.join(AGAINST)).is_ok();
            opened.read_lists(folder, &state)?;
        }
        Ok(opened)
    }

    /// Finds the files that upstreams have signed, as far as they are here.
    fn read_lists(&mut self, folder: &Path, state: &StoredState) -> Result<(), SiteError> {
        for (index, collection) in state.manifest.collections.iter().enumerate() {
            let below = format!("{PROOFS}/{}", collection.folder());
            self.lists.push((collection.folder(), collection.list_file()));
            let keyring = format!("{KEYRINGS}/{}.pgp", collection.source);
            if collection.kind.client() == ClientProgram::Snapd || !folder.join(&keyring).is_file() {
                continue;
            }
            let mut read = || {
                let mut list = state.lists.read(index)?;
                while let Some(ListLine::Proof(proof)) = list.next_line()? {
                    let signed = (!proof.signed_by.is_empty()).then(|| format!("{below}/{}", proof.path));
                    self.proofs.extend(signed.and_then(|path| signed_proof(folder, &keyring, path)));
                }
                Ok(())
            };
            read().map_err(BundleError::in_file(&folder.join(collection.list_file())))?;
        }
        self.proofs.sort_by(|one, other| one.file.cmp(&other.file));
        self.proofs.dedup();
        Ok(())
    }
}

/// Returns the file and the signature of a proof; `None` if one of them is not here.
fn signed_proof(folder: &Path, keyring: &str, path: String) -> Option<SignedProof> {
    let is_here = |path: &str| folder.join(path).is_file();
    let detached = ["gpg", "asc", "sig"].iter().find_map(|end| path.strip_suffix(&format!(".{end}")));
    let (file, signature) = match detached {
        Some(file) => (file.to_owned(), Some(path.clone())),
        None => {
            let beside = ["gpg", "asc"].map(|end| format!("{path}.{end}")).into_iter().find(|path| is_here(path));
            (path, beside)
        }
    };
    let all_here = is_here(&file) && signature.as_ref().is_none_or(|signature| is_here(signature));
    all_here.then(|| SignedProof { keyring: keyring.to_owned(), file, signature })
}

/// Returns the builder who signed a file. Returns `None` if the key is that of no builder, or did not count any more.
fn builder_of(
    folder: &Path,
    path: &str,
    namespace: &'static str,
    trust: &TrustFile,
    time: Time,
) -> Result<Option<Label>, SiteError> {
    let text = read_capped(&folder.join(path), MAX_SIGNED_BYTES)?;
    let signature = read_capped(&folder.join(format!("{path}.sig")), MAX_SIGNED_BYTES)?;
    let signer = verify(&signature, namespace, &text)?;
    let builder = trust.keys().find(|(_, key)| key.key == signer && key.roles.contains(&Role::Builder));
    Ok(builder.filter(|(_, key)| counts(key, time)).map(|(person, _)| person.clone()))
}

/// Returns `true` if the key is neither revoked nor expired.
pub(super) fn counts(key: &TrustedKey, time: Time) -> bool {
    key.revoked.is_none() && key.expires.is_none_or(|expires| expires > time)
}
