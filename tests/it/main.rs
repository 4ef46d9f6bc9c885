//! Tests that cross module borders, most of them with a real client as the judge.

mod apt_client;
mod assertions;
mod bundle_format;
mod by_hand;
mod cli;
mod closure;
mod deb;
mod determinism;
mod enterprise_store;
mod faults;
mod fetch;
mod images;
mod journey;
mod kill;
mod openpgp;
mod real_archive;
mod serve;
mod setup;
mod snap_file;
mod snapd_clients;
mod snaps;
mod store;
mod stream_client;
mod support;
mod tamper;
mod upstream;
