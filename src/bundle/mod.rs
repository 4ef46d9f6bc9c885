//! The bundle: manifest and volumes, written and read.
