//! Kinds of content, and the table of all that differs between them beside their formats, collectors and publishers.
//!
//! Code that is not made for one kind asks the table and names no kind.

mod details;
mod entry;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

pub use details::{Details, ItemVersion};
pub use entry::{ClientProgram, ProofTrace};
pub use table::Kind;

use self::entry::{Naming, Reach, Versions};
use crate::formats::apt::suite_name::SuiteName;
use crate::path::PublishPath;

impl Kind {
    /// Its name: its folder in a published tree, and its table in a selection.
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// Returns the kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Returns the kind of what stands at `path` below a generation, and the path below its collection.
    pub fn of_path(path: &str) -> Option<(Self, &str)> {
        let mut parts = path.splitn(3, '/');
        let kind = parts.next().and_then(Self::of_name)?;
        Some((kind, parts.nth(1).unwrap_or_default()))
    }

    /// Returns `true` if what was published before stays reachable after a switch.
    pub fn has_grace_period(self) -> bool {
        self.entry().has_grace_period
    }

    /// Returns what clients see of upstream's file of metadata at `path` after the site has signed metadata of its own.
    pub fn proof_trace(self, path: &PublishPath) -> ProofTrace {
        (self.entry().proof_trace)(path.as_str())
    }

    /// Returns `true` if clients ignore metadata that is older than what they have seen.
    pub fn ignores_older(self) -> bool {
        self.entry().ignores_older
    }

    /// The program of clients that reads it.
    pub fn client(self) -> ClientProgram {
        self.entry().client
    }

    /// Returns `true` if clients ask for it at upstream's address, or at an alias.
    pub fn has_address(self) -> bool {
        self.entry().reach != Reach::Store
    }

    /// Returns `true` if it is handed on to another program of the site rather than served to clients.
    pub fn is_handed_on(self) -> bool {
        self.entry().reach == Reach::HandedOn
    }

    /// Returns `true` if all of it belongs to one source, which bears the name of the kind. Otherwise a collection bears the
    /// name of its source.
    pub fn owns_source(self) -> bool {
        self.entry().naming == Naming::Kind
    }

    /// Returns the kind that owns the source of this name.
    pub fn owner_of_source(source: &str) -> Option<Self> {
        Self::of_name(source).filter(|kind| kind.owns_source())
    }

    /// Returns `true` if people rather than an upstream give items their versions.
    pub fn is_versioned_by_hand(self) -> bool {
        self.entry().versions == Versions::ByHand
    }

    /// Returns the order of two items of one name, by the rule of the kind's clients; `None` if versions have no order.
    pub fn order(self, one: ItemVersion<'_>, other: ItemVersion<'_>) -> Option<Ordering> {
        (self.entry().order)(one, other)
    }

    /// Returns `true` if items of other bytes have other versions.
    pub fn has_versions_of_bytes(self) -> bool {
        self.entry().versions == Versions::Bytes
    }

    /// Returns the suite whose signed file lies in this folder of the collection; `None` for kinds without suites.
    pub fn suite_in(self, folder: &str) -> Option<SuiteName> {
        (self.entry().suite_in)(folder)
    }

    /// Returns `true` if its items have such details.
    pub fn has_details(self, details: &Details) -> bool {
        (self.entry().has_details)(details)
    }

    /// Returns `true` if its publisher reads the files, rather than looking them up by their digests.
    pub fn is_read_by_publisher(self) -> bool {
        self.entry().reads_files
    }

    /// Returns `true` if upstream signs files of metadata by the collection's second digest too.
    pub fn has_second_digests_of_proofs(self) -> bool {
        self.entry().second_digests_of_proofs
    }

    /// Returns true if an item may never have other bytes under the same name and version: clients take the version for the content.
    pub fn versions_are_final(self) -> bool {
        self.entry().versions_are_final
    }

    /// Returns `true` if reprepro can publish it.
    pub fn is_for_reprepro(self) -> bool {
        self.entry().is_for_reprepro
    }

    /// A regular expression for the path of a file below a collection, if another generation may have something else there. It
    /// says of each path what [`Self::is_immutable`] denies. `None` if nothing changes.
    pub fn changes(self) -> Option<&'static str> {
        self.entry().changes
    }

    /// Returns `true` if the file at `path` below a generation is text, although no ending says so.
    pub fn is_text(path: &str) -> bool {
        Self::of_path(path).is_some_and(|(kind, rest)| (kind.entry().is_text)(rest))
    }

    /// Returns `true` if what stands at `path` below a generation never changes under its name: payload, and indexes that are
    /// named by their digests. Clients that have read older metadata may still ask for it.
    pub fn is_immutable(path: &str) -> bool {
        let is_by_digest = |(kind, rest): (Self, &str)| (kind.entry().is_by_digest)(rest);
        !Self::is_replaced(path) || Self::of_path(path).is_some_and(is_by_digest)
    }

    /// Returns `true` if another generation may have something else at `path`: metadata, and keys, which change when others are
    /// pinned.
    pub fn is_replaced(path: &str) -> bool {
        let is_metadata = |(kind, rest): (Self, &str)| (kind.entry().is_metadata)(rest);
        path.starts_with("keys/") || Self::of_path(path).is_some_and(is_metadata)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
