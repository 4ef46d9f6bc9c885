//! A small signed Debian archive of generated packages, for the demo and for tests.
