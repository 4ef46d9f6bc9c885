//! Debian archives: control data, Release, Packages, relations, versions, and apt's own source lists.
