//! Ubuntu Pro: what the contract server behind the gap and the clients of Ubuntu Pro need, so that `pro attach` succeeds and takes
//! packages of ESM from this site.
//!
//! Formats: the override is YAML, `TOKEN: {SERVICE: {directives: {aptURL: URL}}}`, the input of `pro-airgapped`
//! (canonical/ubuntu-pro-client, features/steps/airgap.py). A client adds `/ubuntu` to `aptURL` (uaclient/apt.py), so only the
//! upstream's own name has the right path.

use std::collections::BTreeMap;

use super::facts::AptArchive;
use super::quote::{comment, yaml};
use super::{Facts, ServeUrl, SetupError, SetupFile, nothing};
use crate::address::Address;
use crate::collection::Publish;

/// The host of all archives of Ubuntu Pro.
const HOST: &str = "esm.ubuntu.com";
/// The path that clients add to `aptURL`.
const CLIENTS_PATH: &str = "/ubuntu";
/// Services of Ubuntu Pro by the folders of their archives at [`HOST`].
const SERVICES: [(&str, &str); 10] = [
    ("infra", "esm-infra"),
    ("apps", "esm-apps"),
    ("cc", "cc-eal"),
    ("cis", "cis"),
    ("usg", "cis"),
    ("fips", "fips"),
    ("fips-updates", "fips-updates"),
    ("realtime", "realtime-kernel"),
    ("ros", "ros"),
    ("ros-updates", "ros-updates"),
];
/// Stands in the override for the token of the contract, which is a secret.
const TOKEN: &str = "CONTRACT_TOKEN";

/// The operator's choices.
#[derive(Clone, Debug)]
pub struct ProChoice {
    /// The contract server behind the gap.
    pub contract_url: ServeUrl,
    /// The transport by which clients reach the upstream's name at this site.
    pub transport: Transport,
}

/// The transport by which clients reach an upstream's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// Unencrypted.
    Http,
    /// Over TLS, with a certificate that they trust.
    Https,
}

/// Returns the files: the override for the contract server, and the clients' configuration.
pub fn files(facts: &Facts, choice: &ProChoice) -> Result<Vec<SetupFile>, SetupError> {
    let services = services(facts);
    if services.is_empty() {
        let what =
            format!("archive of https://{HOST}/…/ubuntu as upstream signed it, which clients of Ubuntu Pro need");
        return Err(nothing(what).into());
    }
    Ok(vec![
        SetupFile::new("gapferry-pro-override.yaml", overrides(facts, &services, choice.transport)),
        SetupFile::new("gapferry-uaclient.conf", client(facts, &choice.contract_url)),
    ])
}

/// Notes on archives of Ubuntu Pro that are left out, or that expire.
pub fn notes(facts: &Facts) -> Vec<String> {
    let archives = facts.archives.iter().filter_map(|archive| Some((archive, folder(archive)?)));
    let note = |(archive, folder): (&AptArchive, String)| {
        let name = &archive.name;
        match (archive.publish, service(&folder), archive.valid_until) {
            (Publish::Verbatim, Some(_), None) => None,
            (Publish::Verbatim, Some(_), Some(until)) => Some(format!(
                "apt/{name}: clients of Ubuntu Pro refuse its metadata after {until}: carry it again before"
            )),
            (Publish::Verbatim, None, _) => {
                Some(format!("apt/{name} is left out: no service of Ubuntu Pro is known for {folder}"))
            }
            _ => Some(format!(
                "apt/{name} is left out: this site signs it, and clients of Ubuntu Pro trust Ubuntu's key alone; set \
                 publish = \"verbatim\" in the selection"
            )),
        }
    };
    archives.filter_map(note).collect()
}

/// The services whose archives clients can use, with their folders at [`HOST`].
fn services(facts: &Facts) -> BTreeMap<&'static str, String> {
    let verbatim = facts.archives.iter().filter(|archive| archive.publish == Publish::Verbatim);
    verbatim.filter_map(folder).filter_map(|folder| Some((service(&folder)?, folder))).collect()
}

/// The archive's folder at [`HOST`], without what clients add.
fn folder(archive: &AptArchive) -> Option<String> {
    let address = Address::of_origin(&archive.origin).filter(|address| address.host() == HOST)?;
    Some(address.path().strip_suffix(CLIENTS_PATH)?.trim_start_matches('/').to_owned())
}

fn service(folder: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(known, _)| *known == folder).map(|(_, service)| *service)
}

fn overrides(facts: &Facts, services: &BTreeMap<&str, String>, transport: Transport) -> String {
    let scheme = match transport {
        Transport::Http => "http",
        Transport::Https => "https",
    };
    let head = format!(
        "{}\n\nThe override of the contract: where its services are behind the gap. It has no secret in it. Carry it to a host \
         with Internet access that has pro-airgapped, put the token of the contract into a file there that nobody else can read, \
         and run\n\n  \
         (umask 077; {{ printf '%s:\\n' \"$(cat contract.token)\"; grep -v '^{TOKEN}:' gapferry-pro-override.yaml; }} | \
         pro-airgapped > contracts.yaml)\n\n\
         contracts.yaml holds secrets: carry it to the contract server by itself, and run there\n\n  \
         contracts-airgapped --input=./contracts.yaml",
        facts.headline("Ubuntu Pro")
    );
    let mut text = comment("#", &head) + &format!("{TOKEN}:\n");
    for (service, folder) in services {
        let url = yaml(&format!("{scheme}://{HOST}/{folder}"));
        text += &format!("  {service}:\n    directives:\n      aptURL: {url}\n");
    }
    text
}

fn client(facts: &Facts, contract_url: &ServeUrl) -> String {
    let head = format!("{}\n\nFor /etc/ubuntu-advantage/uaclient.conf of each client.", facts.headline("Ubuntu Pro"));
    comment("#", &head) + &format!("contract_url: {}\nlog_level: debug\n", yaml(&contract_url.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;
    use crate::time::Time;

    fn pro(folders: &[(&str, Publish)]) -> Facts {
        let mut facts = facts();
        let template = facts.archives[1].clone();
        facts.archives = folders
            .iter()
            .enumerate()
            .map(|(at, (folder, publish))| AptArchive {
                name: format!("a{at}").parse().unwrap(),
                origin: format!("https://esm.ubuntu.com/{folder}").into(),
                publish: *publish,
                valid_until: None,
                ..template.clone()
            })
            .collect();
        facts
    }

    fn choice(transport: Transport) -> ProChoice {
        ProChoice { contract_url: "http://contracts.dc1.example:8484".parse().unwrap(), transport }
    }

    #[test]
    fn each_service_has_the_upstreams_name_without_what_clients_add() {
        let verbatim = Publish::Verbatim;
        let facts = pro(&[
            ("infra/ubuntu", verbatim),
            ("apps/ubuntu/", verbatim),
            ("apps/debian", verbatim),
            ("fips/ubuntu", Publish::ReIndexed),
            ("unknown/ubuntu", verbatim),
        ]);
        let files = files(&facts, &choice(Transport::Http)).unwrap();
        let text = &files[0].text;
        let services = "\nCONTRACT_TOKEN:\n  esm-apps:\n    directives:\n      aptURL: \"http://esm.ubuntu.com/apps\"\n  \
                        esm-infra:\n    directives:\n      aptURL: \"http://esm.ubuntu.com/infra\"\n";
        assert!(text.ends_with(services), "{text}");
        assert!(files[1].text.contains("\ncontract_url: \"http://contracts.dc1.example:8484\"\n"), "{}", files[1].text);
        let notes = notes(&facts);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].starts_with("apt/a3 is left out: this site signs it") && notes[1].contains("unknown"));
    }

    #[test]
    fn without_an_archive_of_ubuntu_pro_there_is_nothing_to_write() {
        for facts in [facts(), pro(&[("infra/ubuntu", Publish::ReIndexed)]), pro(&[])] {
            assert!(matches!(files(&facts, &choice(Transport::Https)), Err(SetupError::Fault(_))));
        }
        let mut expiring = pro(&[("infra/ubuntu", Publish::Verbatim)]);
        expiring.archives[0].valid_until = Some(Time::from_unix(1_800_000_000).unwrap());
        assert!(notes(&expiring)[0].contains("after 2027-01-15"), "{:?}", notes(&expiring));
        assert!(
            files(&expiring, &choice(Transport::Https)).unwrap()[0].text.contains("\"https://esm.ubuntu.com/infra\"")
        );
    }
}
