//! Real snapd as the client of the store in `gapferry serve`.
//!
//! Stock snapd trusts nothing but Canonical's root, so it can tell that it reads all that the store says, and refuses what
//! the tests signed. A snapd that was built to trust the tests' root installs and refreshes it.

mod download;
mod genuine;
mod install;
mod proxy_store;
pub(crate) mod shop;
