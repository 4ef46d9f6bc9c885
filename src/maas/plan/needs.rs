//! Checks for what a MAAS without a way out needs besides what is set, told with the plan.

use serde_json::Value;
use url::{Host, Url};

use super::{MaasPlan, MaasState};
use crate::maas::change::Change;
use crate::maas::wanted::{RepositoryKind, WantedState};

/// The setting with the time servers; MAAS's default is `ntp.ubuntu.com`.
const NTP_SERVERS: &str = "ntp_servers";
/// The setting with the name servers that MAAS asks; empty by default, so that it asks the root servers.
const UPSTREAM_DNS: &str = "upstream_dns";
/// Settings that are looked at, besides those that are set.
pub(in crate::maas) const LOOKED_AT: [&str; 2] = [NTP_SERVERS, UPSTREAM_DNS];
/// The ends of the names of time servers that everybody uses by default.
const PUBLIC_TIME: [&str; 3] = ["ubuntu.com", "ntp.org", "debian.org"];

/// Adds a note to the plan for each thing that is missing.
pub(super) fn needs(state: &MaasState, wanted: &WantedState, plan: &mut MaasPlan) {
    let notes = [time(state, wanted), names(state, wanted), upgrades(plan)];
    plan.notes.extend(notes.into_iter().flatten());
}

fn text<'s>(state: &'s MaasState, name: &str) -> &'s str {
    state.settings.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn time(state: &MaasState, wanted: &WantedState) -> Option<String> {
    let servers = text(state, NTP_SERVERS).split([' ', ',', '\n']);
    let is_public = |server: &&str| PUBLIC_TIME.iter().any(|end| server.ends_with(end));
    let public = servers.into_iter().find(is_public).filter(|_| !wanted.settings.contains_key(NTP_SERVERS))?;
    Some(format!(
        "MAAS takes the time from {public}, which lies outside: give a server of this side with --ntp-server HOST"
    ))
}

fn names(state: &MaasState, wanted: &WantedState) -> Option<String> {
    let url = Url::parse(&wanted.serve_url).ok()?;
    let Host::Domain(host) = url.host()? else { return None };
    let is_set = wanted.settings.contains_key(UPSTREAM_DNS) || !text(state, UPSTREAM_DNS).trim().is_empty();
    let is_known = state.settings.contains_key(UPSTREAM_DNS) && !is_set;
    is_known.then(|| {
        format!(
            "MAAS asks no name server of this side, and machines ask MAAS: unless it answers for {host} itself, give a server that \
             does with --upstream-dns ADDR"
        )
    })
}

/// No version up to 3.8 has a setting for it: what the installer does is in a file of MAAS's.
fn upgrades(plan: &MaasPlan) -> Option<String> {
    let is_archive = |change: &Change| match change {
        Change::UpdateRepository { repository, .. } => matches!(repository.kind, RepositoryKind::BuiltIn { .. }),
        _ => false,
    };
    plan.changes.iter().any(is_archive).then(|| {
        "machines may be upgraded to what the archive has while they are deployed, and no setting of MAAS prevents it: carry images \
         and packages of the same day, or see \"What MAAS needs besides\" in docs/maas.md"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::maas::wanted::Setting;

    fn notes(settings: &[(&str, Value)], set: &[&str], serve_url: &str) -> Vec<String> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let state = MaasState { settings: settings.collect(), ..MaasState::default() };
        let set = set.iter().map(|name| ((*name).to_owned(), Setting::Words(vec!["a".into()])));
        let wanted = WantedState {
            settings: set.collect::<BTreeMap<_, _>>(),
            serve_url: serve_url.into(),
            ..WantedState::default()
        };
        let mut plan = MaasPlan::default();
        needs(&state, &wanted, &mut plan);
        plan.notes
    }

    #[test]
    fn public_time_servers_are_noted_unless_others_are_set() {
        let public = [(NTP_SERVERS, json!("10.0.0.1 ntp.ubuntu.com"))];
        assert!(notes(&public, &[], "http://g")[0].contains("ntp.ubuntu.com"));
        assert_eq!(notes(&public, &[NTP_SERVERS], "http://g"), [""; 0]);
        assert_eq!(notes(&[(NTP_SERVERS, json!("ntp.dc1.example"))], &[], "http://g"), [""; 0]);
    }

    #[test]
    fn missing_name_servers_are_noted_if_the_site_has_a_name() {
        let none = [(UPSTREAM_DNS, json!(null))];
        assert!(notes(&none, &[], "http://gapferry.dc1.example:8080")[0].contains("gapferry.dc1.example"));
        assert_eq!(notes(&none, &[], "http://10.0.0.5"), [""; 0]);
        assert_eq!(notes(&none, &[UPSTREAM_DNS], "http://g"), [""; 0]);
        assert_eq!(notes(&[(UPSTREAM_DNS, json!("10.0.0.2"))], &[], "http://g"), [""; 0]);
    }
}
