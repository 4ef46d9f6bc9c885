//! Tests that cross module borders, most of them with a real client as the judge.

mod apt_client;
mod bundle_format;
mod cli;
mod closure;
mod deb;
mod faults;
mod fetch;
mod journey;
mod openpgp;
mod real_archive;
mod serve;
mod support;
mod upstream;
