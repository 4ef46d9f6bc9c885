//! Snaps, the whole way through the program: from a folder, and from a store.

mod folder;
mod sample;
mod store;
