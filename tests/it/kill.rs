//! `kill -9` at every stage: strace ends the real program at its n-th call of one kind, for many places per command
//! (see `Content::kills`).
//!
//! After each kill the site is wholly old or wholly new and the medium is what it was; a bundle, a volume, a recovery file or a
//! receipt is there and whole, or as before; the same command run again ends with the same result as a run that nothing disturbed.
//! `copy` is killed in `media::kills`.
//!
//! `power_cut` computes what disks may hold after power cuts of the same commands, and the same is asked of that.

mod approvals;
mod disk;
mod evidence;
mod export;
pub(crate) mod import;
mod killing;
mod others;
mod power_cut;
mod site;
pub(crate) mod strace;
mod trust;
