//! Archives inside of packages, walked entry by entry. None of it is trusted, and nothing is unpacked onto a disk here.

mod capped;
mod cpio_walk;
mod entry;
mod tar_walk;
#[cfg(test)]
mod tests;

pub use capped::{ArchiveCaps, CappedReader};
pub use cpio_walk::{CpioEntry, CpioVisitor, walk_cpio};
pub use entry::{ArchiveEntry, EntryKind, EntryPlace, EntryVisitor, shown_path};
pub use tar_walk::walk_tar;
