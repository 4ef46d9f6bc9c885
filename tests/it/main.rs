//! Tests that cross module borders, most of them with a real client as the judge.

mod apt_client;
mod bundle_format;
mod by_hand;
mod closure;
mod deb;
mod determinism;
mod fetch;
mod kill;
mod openpgp;
mod support;
mod tamper;
mod upstream;
