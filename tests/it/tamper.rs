//! Tampering: whatever is changed on the medium, and whatever a builder's key signs against upstream's word, is refused with
//! its exit code. Nothing is published, nothing outside the site is touched, and the right bundle still imports afterwards.

mod bytes;
mod header;
mod lies;
mod medium;
mod program;
mod recovery;
mod stage;
mod statements;
