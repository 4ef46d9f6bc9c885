//! `kill -9` at every stage: strace ends the real program at its n-th call of one kind, for many places per command
//! (see `Content::kills`).
//!
//! After each kill the site is wholly old or wholly new and the medium is what it was; the same command run again ends with
//! the same result as a run that nothing disturbed.

mod export;
mod import;
mod site;
pub(crate) mod strace;
