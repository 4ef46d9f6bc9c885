//! What a collector returns, the manifest holds and a publisher takes.
