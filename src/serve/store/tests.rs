//! The store, asked without HTTP.
