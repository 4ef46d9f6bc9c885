//! Disk work of both sides: atomic writes, capped and direct reads, locks, the audit log, free space, modes, and the store of
//! objects below depot and generations.

pub mod audit;
pub mod capacity;
mod direct;
mod error;
mod external_sort;
mod file_error;
mod file_store;
mod lock;
pub mod modes;
mod owner;
mod small_file;
mod store;
mod sync;
mod write_behind;

pub use direct::{DirectReader, read_first_block};
pub use error::StorageError;
pub use external_sort::{ExternalSort, SortedRecords};
pub(crate) use file_error::full_disk_error;
pub use file_error::{FileError, NamedBy};
pub use file_store::FileStore;
pub(crate) use file_store::has_no_links;
pub use lock::Lock;
pub(crate) use owner::other_owner;
pub(crate) use small_file::{
    create_new, part_path, place_atomically, place_atomically_from, place_atomically_with, read_capped, read_named,
    read_to_cap, remove_file_if_there, replace_link, write_atomically,
};
pub use store::{ListedObject, NewObject, PutOutcome, Store};
pub(crate) use sync::{sync_file_system, sync_folder, sync_folders, sync_parent};
pub(crate) use write_behind::WriteBehind;

/// The mode of a command that changes a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// Only reports it.
    DryRun,
    /// Changes the disk.
    Apply,
}
