//! Serves the current generation over HTTP.
