//! cloud-init: user data by which a deployed machine takes its packages and snaps from this site.

use super::quote::{comment, yaml, yaml_block};
use super::snapd::{DROP_IN, STORE_CERTS, drop_in};
use super::{Certificates, Facts, ServeUrl, SetupError, apt, no_serve_url, nothing};
use crate::formats::apt::archive::IndexKind;
use crate::kind::ClientProgram;

/// What the operator chose.
#[derive(Clone, Debug, Default)]
pub struct CloudInitChoice {
    /// Archives and suites.
    pub apt: apt::AptClientChoice,
    /// Where clients reach the site.
    pub serve_url: Option<ServeUrl>,
    /// Whether the machine's own sources are switched off.
    pub replace_sources: bool,
    /// Time servers.
    pub ntp_servers: Vec<String>,
    /// An authority that machines are to trust.
    pub authority: Option<Certificates>,
}

/// User data.
pub fn user_data(facts: &Facts, choice: &CloudInitChoice) -> Result<String, SetupError> {
    let chosen = if facts.archives.is_empty() { Vec::new() } else { apt::chosen(facts, &choice.apt)? };
    let sections = [
        packages(&chosen, choice)?,
        certificates(choice),
        time(&choice.ntp_servers),
        if facts.has_client(ClientProgram::Snapd) { snaps(facts, choice)? } else { String::new() },
    ];
    if sections.iter().all(String::is_empty) {
        return Err(nothing("packages or snaps").into());
    }
    Ok("#cloud-config\n".to_owned() + &comment("#", &facts.headline("User data")) + &sections.concat())
}

/// One source for each suite: each has a line of its own, and cloud-init writes its key beside it.
fn packages(chosen: &[apt::ClientArchive<'_>], choice: &CloudInitChoice) -> Result<String, SetupError> {
    if chosen.is_empty() {
        return Ok(String::new());
    }
    let url = choice.serve_url.as_ref().ok_or_else(|| no_serve_url("a source of packages"))?;
    let mut text = String::from("apt:\n");
    if choice.replace_sources {
        text += "  disable_suites: [$RELEASE, $RELEASE-updates, $RELEASE-security, $RELEASE-backports]\n";
    }
    text += "  sources:\n";
    for apt::ClientArchive { archive, suites } in chosen {
        let binary = suites.iter().filter_map(|suite| Some((suite, suite.components_of(IndexKind::Packages)?)));
        for (number, (suite, components)) in (1..).zip(binary) {
            let age = if archive.valid_until.is_some() { " check-valid-until=no" } else { "" };
            let mut line = format!("deb [signed-by=$KEY_FILE{age}] {url}/apt/{} {}", archive.name, suite.name);
            components.iter().for_each(|component| line += &format!(" {component}"));
            text += &format!("    gapferry-{}-{number}.list:\n      source: {}\n", archive.name, yaml(&line));
            text += &format!("      key: {}\n", yaml_block(&archive.key, 8));
        }
    }
    Ok(text)
}

fn certificates(choice: &CloudInitChoice) -> String {
    let Some(authority) = &choice.authority else { return String::new() };
    let each: String = authority.each().iter().map(|pem| format!("    - {}\n", yaml_block(pem, 6))).collect();
    format!("ca_certs:\n  trusted:\n{each}")
}

/// The section that sets these time servers; empty where there are none.
pub(super) fn time(servers: &[String]) -> String {
    let servers: String = servers.iter().map(|server| format!("    - {}\n", yaml(server))).collect();
    if servers.is_empty() { servers } else { format!("ntp:\n  enabled: true\n  servers:\n{servers}") }
}

/// By the site's store assertion, or else by the drop-in. cloud-init lets snapd know the assertions before it runs commands.
/// In both, snapd gets the authority as a setting of its own: it need not read those of the machine.
fn snaps(facts: &Facts, choice: &CloudInitChoice) -> Result<String, SetupError> {
    let Some(store) = &facts.store else {
        let url = choice.serve_url.as_ref().ok_or_else(|| no_serve_url("snapd without a store assertion"))?;
        let restart = "  - [systemctl, daemon-reload]\n  - [systemctl, try-restart, snapd.service]\n";
        let content = yaml_block(&drop_in(url), 6);
        let trust = trust(choice).map_or_else(String::new, |command| format!("snap:\n  commands:\n{command}"));
        return Ok(format!("{trust}write_files:\n  - path: {DROP_IN}\n    content: {content}\nruncmd:\n{restart}"));
    };
    // All of a stream of assertions about a store is text.
    let stream = String::from_utf8_lossy(&store.stream);
    let mut text = format!("snap:\n  assertions:\n    - {}\n  commands:\n", yaml_block(&stream, 6));
    text += &trust(choice).unwrap_or_default();
    let setting = yaml(&format!("proxy.store={}", store.store));
    Ok(text + &format!("    - [snap, set, core, {setting}]\n"))
}

/// Returns the command that makes snapd trust the authority, as an entry of a list.
fn trust(choice: &CloudInitChoice) -> Option<String> {
    let setting = yaml(&format!("{STORE_CERTS}={}", choice.authority.as_ref()?.text()));
    Some(format!("    - [snap, set, system, {setting}]\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    fn choice() -> CloudInitChoice {
        CloudInitChoice {
            serve_url: Some("http://gapferry.dc1.example".parse().unwrap()),
            ..CloudInitChoice::default()
        }
    }

    #[test]
    fn each_suite_has_its_source_with_the_key() {
        let mut choice = choice();
        choice.replace_sources = true;
        choice.ntp_servers = vec!["ntp.dc1.example".into(), "x\"\n- y".into()];
        let text = user_data(&facts(), &choice).unwrap();
        for words in [
            "#cloud-config\n# User data for the site dc1, generation 7",
            "\n  disable_suites: [$RELEASE,",
            "    gapferry-ubuntu-2.list:\n      source: \"deb [signed-by=$KEY_FILE] http://gapferry.dc1.example/apt/ubuntu \
             noble-updates main universe\"\n      key: |\n        -----BEGIN PGP PUBLIC KEY BLOCK-----\n\n        AAAA\n",
            "\"deb [signed-by=$KEY_FILE check-valid-until=no] http://gapferry.dc1.example/apt/extra noble main\"",
            "    - \"ntp.dc1.example\"\n    - \"x\\\"\\U0000000a- y\"\n",
            "snap:\n  assertions:\n    - |\n      type: store\n\n      sig\n  commands:\n    - [snap, set, core, \"proxy.store=gapStore\"]\n",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
        choice.apt.suites = vec!["jammy".into()];
        assert_eq!(user_data(&facts(), &choice).unwrap().matches("source:").count(), 1);
    }

    #[test]
    fn a_hostile_store_stays_a_string() {
        let mut facts = facts();
        let store = facts.store.as_mut().unwrap();
        store.store = "a\"]\nruncmd: [id]".into();
        store.stream = b"type: store\n\tx\nruncmd: [id]".to_vec();
        let text = user_data(&facts, &choice()).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("runcmd")), "{text}");
    }

    #[test]
    fn without_an_assertion_there_is_the_drop_in() {
        let mut facts = facts();
        facts.store = None;
        let text = user_data(&facts, &choice()).unwrap();
        assert!(
            text.contains("      Environment=SNAPPY_FORCE_API_URL=http://gapferry.dc1.example\nruncmd:\n"),
            "{text}"
        );
        let error = user_data(&facts, &CloudInitChoice::default()).unwrap_err();
        assert!(error.to_string().contains("needs --serve-url"), "{error}");
    }
}
