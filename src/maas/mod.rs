//! Sets a MAAS of the air-gapped side up through its own API, from what the site publishes.
//!
//! ```text
//! site ──▶ Wanted ─┐
//!                  ├─ plan ──▶ changes ──▶ requests
//! MAAS ──▶ State ──┘
//! ```
//!
//! Only what differs is changed, and MAAS is looked at again afterwards; so a second run changes nothing, and a run that was
//! killed is finished by the next. The API is version 2, which MAAS has since 2.0 and still has in 3.8. `docs/maas.md` says what
//! is set and why, and since which version MAAS has each call.

pub mod answers;
mod apply;
mod archives;
mod change;
mod client;
mod error;
mod form;
mod images;
mod import;
mod oauth;
mod plan;
mod read;
mod site;
mod upload;
mod version;
mod wait;
mod wanted;

pub use self::apply::{Telling, apply, dry_run, is_unlisted};
pub use self::change::{Change, Select};
pub use self::client::MaasClient;
pub use self::error::MaasError;
pub use self::form::Form;
pub use self::oauth::ApiKey;
pub use self::plan::{
    COMMISSIONING, DEFAULT_OSYSTEM, DEFAULT_SERIES, DEFAULT_SOURCE_HOST, MaasPlan, MaasState, NO_PROXY,
    REPOSITORY_PREFIX, missing, plan,
};
pub use self::read::read;
pub use self::site::{MaasChoice, wanted};
pub use self::version::MaasVersion;
pub use self::wait::WaitLimits;
pub use self::wanted::{
    Build, LostArchives, RepositoryKind, Setting, WantedImage, WantedRepository, WantedSource, WantedState,
    WantedUpload,
};
