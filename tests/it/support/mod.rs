//! What the tests share.

pub(crate) mod cage;
pub(crate) mod debs;
pub(crate) mod debs_lies;
pub(crate) mod desk;
pub(crate) mod files;
pub(crate) mod genuine;
pub(crate) mod images;
pub(crate) mod images_forged;
pub(crate) mod images_lies;
pub(crate) mod lies;
pub(crate) mod os_images;
pub(crate) mod os_images_lies;
pub(crate) mod port;
pub(crate) mod server;
pub(crate) mod skip;
pub(crate) mod snap_store;
pub(crate) mod snapd;
pub(crate) mod snaps;
pub(crate) mod snaps_lies;
pub(crate) mod snapshot;
pub(crate) mod threads;
pub(crate) mod tls;
pub(crate) mod together;
pub(crate) mod world;
pub(crate) mod yum;
pub(crate) mod yum_lies;
