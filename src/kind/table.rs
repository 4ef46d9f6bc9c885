//! The table of kinds.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::details::{Details, ItemVersion};
use super::entry::{ClientProgram, Entry, Naming, ProofTrace, Reach, Versions};
use crate::digest::Sha256;
use crate::formats::apt::client_index::is_flat_metadata;
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::apt::version;
use crate::formats::rpm;
use crate::formats::signed_digest::{Sha384, Sha512};
use crate::time::Time;

/// Declares the kinds, each with its entry.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $(#[cfg($condition:meta)])? $kind:ident => $entry:expr,)*) => {
        /// A kind of content: one format module, one collector, one publisher.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            $($(#[doc = $doc])* $(#[cfg($condition)] #[schemars(skip)])? $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$($(#[cfg($condition)])? Self::$kind,)*];

            pub(super) const fn entry(self) -> &'static Entry {
                match self {
                    $($(#[cfg($condition)])? Self::$kind => &const { $entry },)*
                }
            }
        }
    };
}

kinds! {
    /// Debian packages.
    Apt => Entry {
        client: ClientProgram::Apt,
        order: |one, other| Some(version::compare(one.version, other.version)),
        has_details: |details| matches!(details, Details::Deb { .. }),
        is_metadata: |path| path.starts_with("dists/") || is_flat_metadata(path),
        is_by_digest: |path| is_by_hash(path),
        changes: Some(concat!(
            r"(?!(?:.*/)?by-hash/)(?:dists/|(?:.*/)?(?:(?:(?:In)?Release|Release\.gpg|",
            r"(?:Packages|Sources|Contents-[^/]+|[a-z]{2,3}(?:[_@][A-Za-z0-9_@-]*)?)(?:\.(?:xz|bz2|gz|zst))?)$|",
            r"(?:Packages|Sources|Contents-[^/]+)\.diff/))"
        )),
        is_text: is_index_text,
        suite_in: |folder| SuiteName::of_folder(folder).ok(),
        // Clients ask for the index of each suite, component and architecture, whether it lists packages or not.
        proof_trace: |_| ProofTrace::Folder,
        ignores_older: true,
        is_for_reprepro: true,
        ..Entry::plain("apt")
    },

    /// Images in a simplestreams tree.
    Images => Entry {
        client: ClientProgram::MaasStream,
        order: by_text,
        has_details: |details| matches!(details, Details::Image { .. }),
        is_metadata: |path| path.starts_with(STREAMS),
        changes: Some(STREAMS),
        versions_are_final: true,
        // MAAS fetches versions that it has read of up to an hour earlier.
        has_grace_period: true,
        ..Entry::plain("images")
    },

    /// Snaps.
    Snaps => Entry {
        client: ClientProgram::Snapd,
        // A version is what its publisher calls it; devices refresh to a higher revision.
        order: |one, other| Some(one.details.revision().cmp(&other.details.revision())),
        has_details: |details| matches!(details, Details::Snap { .. }),
        reach: Reach::Store,
        is_metadata: |path| !path.ends_with(".snap"),
        changes: Some(r".*(?<!\.snap)$"),
        reads_files: true,
        // A snap's assertions are signed themselves.
        second_digests_of_proofs: false,
        ..Entry::plain("snaps")
    },

    /// Exports for an Enterprise Store.
    EnterpriseStore => Entry {
        client: ClientProgram::Nothing,
        order: by_text,
        reach: Reach::HandedOn,
        naming: Naming::Kind,
        is_metadata: |_| false,
        changes: None,
        ..Entry::plain("enterprise-store")
    },

    /// Images of other operating systems, and of one's own.
    OsImages => Entry {
        client: ClientProgram::MaasUploads,
        order: by_text,
        has_details: |details| matches!(details, Details::OsImage { .. }),
        naming: Naming::Kind,
        versions: Versions::ByHand,
        versions_are_final: true,
        is_metadata: |path| path.starts_with(STREAMS),
        changes: Some(STREAMS),
        has_grace_period: true,
        reads_files: true,
        ..Entry::plain("os-images")
    },

    /// Any other files.
    // A file has the beginning of its digest for a version.
    Files => Entry { versions: Versions::Bytes, ..Entry::plain("files") },

    /// Security data of upstreams.
    Feeds => Entry {
        client: ClientProgram::Scanner,
        // A version is the date of the data, or the beginning of its digest.
        order: by_time,
        has_details: |details| matches!(details, Details::Feed { .. }),
        second_digests_of_proofs: false,
        ..Entry::plain("feeds")
    },

    /// RPM packages.
    Yum => Entry {
        client: ClientProgram::Dnf,
        order: |one, other| Some(rpm::evr::compare_texts(one.version, other.version)),
        has_details: |details| matches!(details, Details::Rpm { .. }),
        is_metadata: |path| path.strip_prefix(rpm::REPODATA).is_some_and(|name| !starts_with_digest(name)),
        changes: Some("repodata/(?![0-9a-f]{64}-)"),
        // Groups, module streams and advisories stay upstream's, and what lists say of packages.
        proof_trace: |path| if path.starts_with(rpm::REPOMD) { ProofTrace::Nothing } else { ProofTrace::Content },
        // dnf asks for packages that it has read of up to two days earlier (`metadata_expire`).
        has_grace_period: true,
        ..Entry::plain("yum")
    },

    /// Toys, which only tests have.
    #[cfg(test)]
    Toy => Entry { is_metadata: |path| path == "toys.txt", changes: Some("toys[.]txt$"), ..Entry::plain("toy") },
}

/// Orders versions by their bytes, as simplestreams and MAAS do.
fn by_text(one: ItemVersion<'_>, other: ItemVersion<'_>) -> Option<Ordering> {
    Some(one.version.cmp(other.version))
}

/// Orders versions that are times; those without have no order.
fn by_time(one: ItemVersion<'_>, other: ItemVersion<'_>) -> Option<Ordering> {
    let time = |version: &str| version.parse::<Time>().ok();
    Some(time(one.version)?.cmp(&time(other.version)?))
}

/// The folder of a stream's metadata.
const STREAMS: &str = "streams/";

/// Returns whether the path is that of a file in a folder for digests, as apt asks for them.
fn is_by_hash(path: &str) -> bool {
    path.contains("/by-hash/") || path.starts_with("by-hash/")
}

/// Returns whether a file is one of an archive's texts, which have no ending. Names in by-hash say nothing of what is in them,
/// compressed or not.
fn is_index_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let texts = ["InRelease", "Release", "Packages", "Sources", "Index"];
    let starts = ["Contents-", "Translation-", "Components-"];
    !is_by_hash(path) && (texts.contains(&name) || starts.iter().any(|start| name.starts_with(start)))
}

/// Returns whether a file of a repository's metadata is named by its digest, as createrepo_c does it.
fn starts_with_digest(name: &str) -> bool {
    name.split_once('-').is_some_and(|(digest, _)| {
        digest.parse::<Sha256>().is_ok() || digest.parse::<Sha384>().is_ok() || digest.parse::<Sha512>().is_ok()
    })
}
