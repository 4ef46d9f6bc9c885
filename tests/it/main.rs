//! The integration tests, as one binary.

mod fetch;
mod support;
