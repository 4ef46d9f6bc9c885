//! Tests that cross module borders, most of them with a real client as the judge.

mod apt_client;
mod closure;
mod deb;
mod fetch;
mod openpgp;
mod real_archive;
mod support;
mod upstream;
