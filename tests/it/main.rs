//! Integration tests: gapferry against the real programs of its world.

mod openpgp;
