//! `gapferry setup`: what it writes, judged by the programs that it is for.

mod clients;
mod dns;
mod fixture;
mod hostile;
mod maas;
mod older;
mod shared_folders;
mod user_data;
mod web;
