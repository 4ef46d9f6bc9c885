//! `gapferry demo`: the whole way on an embedded upstream, offline.

pub mod upstream;
