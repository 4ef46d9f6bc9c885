//! Immutable blobs by SHA-256 on disk.
