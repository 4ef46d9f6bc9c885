//! What the tests share.

pub(crate) mod debs;
pub(crate) mod desk;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod world;
