//! gapferry carries what an air-gapped MAAS data centre needs across the gap, on removable media.
//!
//! `docs/architecture.md` shows how the modules fit together; each module opens with what it is for.

pub mod address;
pub mod bundle;
pub mod cli;
pub mod collect;
pub mod collection;
pub mod collection_change;
pub mod demo;
pub mod depot;
pub mod digest;
pub mod error_class;
pub mod export;
pub mod fetch;
pub mod formats;
mod html;
pub mod kind;
pub mod label;
pub mod maas;
pub mod media;
mod next_command;
pub mod numbers;
pub mod origin;
pub mod path;
pub mod progress;
pub mod receipt;
pub mod recut;
pub mod review;
pub mod samples;
pub mod secret;
pub mod selection;
pub mod serve;
pub mod setup;
mod shell;
pub mod site;
pub mod storage;
pub mod terminal;
pub mod time;
pub mod trust;
pub mod units;
pub mod upstream;
pub mod workspace;
