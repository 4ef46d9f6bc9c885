//! The carrier's job on the online side: a finished bundle goes onto one or several media, whole volumes only.
//!
//! [`plan`] says what goes where, without looking at a disk. [`copy()`] writes, syncs, and reads everything back past the page
//! cache: a medium is believed when it has given back what it was given. [`Register`] remembers which volumes went to which
//! medium, so that the rest can follow later; [`sheet`] says the same on each medium, for people. What a sheet or a device says
//! of itself is unsigned: it is shown, and nothing is decided by it.

pub mod copy;
pub mod device;
mod error;
pub mod files;
mod job;
pub mod mount;
pub mod piece;
pub mod plan;
mod prepare;
mod register;
mod reinsert;
pub mod sheet;
mod small_part;
mod target;

pub use copy::{Copied, copy};
pub use error::MediaError;
pub use job::CopyJob;
pub use mount::{MountCheck, NotMounted};
pub use register::{MediaJournal, MediumEntry, Register, operator};
