//! The dependency closure of a set of packages, as apt itself would choose it.
