//! The part of a plan that says which release MAAS commissions with, and which it deploys unless another is named.

use serde_json::Value;

use super::{COMMISSIONING, DEFAULT_OSYSTEM, DEFAULT_SERIES, MaasPlan, MaasState, foreign_sources};
use crate::maas::change::Change;
use crate::maas::wanted::{Setting, WantedState};

/// The operating system that MAAS commissions with.
const UBUNTU: &str = "ubuntu";

/// Sets each default that MAAS cannot use to the best release that is published. MAAS takes a release only once it has its image,
/// so this follows the import.
pub(super) fn defaults(state: &MaasState, wanted: &WantedState, plan: &mut MaasPlan) {
    let Some(best) = wanted.commissioning.first() else { return };
    let mut set = |name: &str, value: &str| {
        plan.changes.push(Change::Set { name: name.to_owned(), value: Setting::Text(value.to_owned()) });
    };
    let commissioning = text(state, COMMISSIONING);
    if !wanted.commissioning.iter().any(|release| release == commissioning)
        && !is_foreign(state, wanted, UBUNTU, commissioning)
    {
        set(COMMISSIONING, best);
    }
    if !state.settings.contains_key(DEFAULT_OSYSTEM) || !state.settings.contains_key(DEFAULT_SERIES) {
        return;
    }
    let (os, series) = (text(state, DEFAULT_OSYSTEM), text(state, DEFAULT_SERIES));
    // MAAS's forms write OS/RELEASE, its settings have the release alone.
    let series = series.rsplit_once('/').map_or(series, |(_, series)| series);
    if !is_deployable(state, wanted, os, series) {
        // In this order: the release has to be one of the operating system.
        if os != UBUNTU {
            set(DEFAULT_OSYSTEM, UBUNTU);
        }
        if series != best {
            set(DEFAULT_SERIES, best);
        }
    }
}

fn text<'s>(state: &'s MaasState, name: &str) -> &'s str {
    state.settings.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns true if MAAS has the release or is about to have it: from this site, from another source, or as an upload.
fn is_deployable(state: &MaasState, wanted: &WantedState, os: &str, series: &str) -> bool {
    let mut images = wanted.sources.iter().flat_map(|source| source.images.keys());
    let is_uploaded =
        [format!("{os}/{series}"), series.to_owned()].iter().any(|name| state.uploaded_names.contains(name));
    images.any(|image| image.os == os && image.release == series)
        || (os != UBUNTU && is_uploaded)
        || is_foreign(state, wanted, os, series)
}

/// Returns true if a source that is not of this site has the release selected.
fn is_foreign(state: &MaasState, wanted: &WantedState, os: &str, series: &str) -> bool {
    let mut selections = foreign_sources(state, wanted).into_iter().flat_map(|source| &source.selections);
    selections.any(|selection| selection.os == os && selection.release == series)
}
