//! The binary package format (deb(5)): its control data, read safely.
