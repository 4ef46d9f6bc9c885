//! The selection: the TOML file that says what to carry.
