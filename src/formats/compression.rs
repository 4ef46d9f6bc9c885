//! The compressions that archives use, read with a cap on what comes out.
