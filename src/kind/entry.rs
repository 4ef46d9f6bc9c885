//! The form of an entry in the table of kinds.

use std::cmp::Ordering;

use super::details::{Details, ItemVersion};
use crate::formats::apt::suite_name::SuiteName;

/// All that differs between kinds of content, beside their formats, collectors and publishers. The functions are given paths
/// below a collection.
pub(super) struct Entry {
    /// Its name, as in a manifest.
    pub(super) name: &'static str,
    /// The program of clients that reads it.
    pub(super) client: ClientProgram,
    /// The way by which clients reach it.
    pub(super) reach: Reach,
    /// The names of its collections and sources.
    pub(super) naming: Naming,
    /// The origin of its items' versions.
    pub(super) versions: Versions,
    /// Returns the order of two items of one name, by the rule of the kind's clients; `None` if versions have no order.
    pub(super) order: fn(ItemVersion<'_>, ItemVersion<'_>) -> Option<Ordering>,
    /// Returns `true` for the details of its items.
    pub(super) has_details: fn(&Details) -> bool,
    /// Returns `true` for metadata, which changes under its name.
    pub(super) is_metadata: fn(&str) -> bool,
    /// Returns `true` for metadata that is named by its digest as well.
    pub(super) is_by_digest: fn(&str) -> bool,
    /// A regular expression that matches what changes under its name; `None` if nothing does.
    pub(super) changes: Option<&'static str>,
    /// Returns `true` for text whose name has no ending that says so.
    pub(super) is_text: fn(&str) -> bool,
    /// The suite whose signed file lies in a folder.
    pub(super) suite_in: fn(&str) -> Option<SuiteName>,
    /// The part that clients see of a file of upstream's metadata, if the site signs its own.
    pub(super) proof_trace: fn(&str) -> ProofTrace,
    /// True if what was published before stays reachable after a switch.
    pub(super) has_grace_period: bool,
    /// True if clients ignore metadata that is older than what they have seen.
    pub(super) ignores_older: bool,
    /// True if the publisher reads the files.
    pub(super) reads_files: bool,
    /// True if upstream signs its metadata too by the collection's second digest.
    pub(super) second_digests_of_proofs: bool,
    /// True if clients take the version of an item for its content, so that it must never have other bytes.
    pub(super) versions_are_final: bool,
    /// True if reprepro can publish it.
    pub(super) is_for_reprepro: bool,
}

/// A program that reads what is published of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientProgram {
    /// apt.
    Apt,
    /// dnf.
    Dnf,
    /// snapd.
    Snapd,
    /// MAAS, which reads a stream of images.
    MaasStream,
    /// MAAS, which reads a stream of images and is sent the images that no stream can tell it of.
    MaasUploads,
    /// A scanner that looks for known vulnerabilities.
    Scanner,
    /// Whatever fetches a file by its address.
    Download,
    /// None: it is handed on at the site.
    Nothing,
}

/// The way by which clients reach a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// By path, and by the upstream's address.
    Address,
    /// Through the snap store, which answers under every host.
    Store,
    /// Not at all: another program of the site takes it.
    HandedOn,
}

/// The names of a kind's collections and sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Each collection bears the name of its source.
    Source,
    /// There is one source, which bears the name of the kind.
    Kind,
}

/// The origin of the versions of a kind's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// Upstream.
    Upstream,
    /// Whoever wrote the selection.
    ByHand,
    /// The bytes themselves: other bytes have another version.
    Bytes,
}

/// The part that clients see of a file of upstream's metadata after the site has signed metadata of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofTrace {
    /// Nothing.
    Nothing,
    /// An index in the same folder, whatever upstream's says.
    Folder,
    /// Some of its content.
    Content,
}

impl Entry {
    /// An entry for a kind without any peculiarity: files that clients fetch by their addresses, and of which any may change.
    pub(super) const fn plain(name: &'static str) -> Self {
        Self {
            name,
            client: ClientProgram::Download,
            reach: Reach::Address,
            naming: Naming::Source,
            versions: Versions::Upstream,
            order: |_, _| None,
            has_details: |details| matches!(details, Details::File { .. }),
            is_metadata: |_| true,
            is_by_digest: |_| false,
            changes: Some(""),
            is_text: |_| false,
            suite_in: |_| None,
            proof_trace: |_| ProofTrace::Nothing,
            has_grace_period: false,
            ignores_older: false,
            reads_files: false,
            second_digests_of_proofs: true,
            versions_are_final: false,
            is_for_reprepro: false,
        }
    }
}
