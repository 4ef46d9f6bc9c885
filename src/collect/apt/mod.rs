//! Collects Debian packages from signed archives and from folders of local .debs.

pub mod closure;
