//! Debian archives: control data, Release, Packages, relations, versions, and apt's own source lists.

pub mod archive;
pub mod auth_conf;
pub mod build_relations;
pub mod client_index;
pub mod copyright;
pub mod cut_index;
pub mod deb822;
pub mod index_blocks;
pub mod mirror_list;
pub mod packages;
pub mod pdiff;
pub mod preferences;
pub mod relation;
pub mod release;
pub mod seed;
pub mod slim_index;
pub mod sources;
pub mod suite_name;
pub mod translation;
pub mod version;
