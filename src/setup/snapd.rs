//! snapd: how a client is told where its store is. `docs/snaps.md` says what each way brings.

use super::{Certificates, Facts, ServeUrl, SetupError, no_serve_url, nothing, quote};
use crate::kind::ClientProgram;
use crate::shell::shell_word;
use crate::site::StoreAssertion;

/// Where systemd looks for additions to snapd's unit.
pub(super) const DROP_IN: &str = "/etc/systemd/system/snapd.service.d/gapferry.conf";

/// The setting of snapd that holds certificates of an authority of one's own.
pub(super) const STORE_CERTS: &str = "store-certs.gapferry";

/// What a client runs to trust the certificate that is in `ca.pem`.
pub const CERTIFICATE: &str = "sudo snap set system store-certs.gapferry=\"$(cat ca.pem)\"";

/// What a client runs to use the store of an assertion.
pub fn commands(store: &StoreAssertion) -> [String; 2] {
    let bundle = format!("{}/v2/auth/store/assertions", store.url.as_str().trim_end_matches('/'));
    [format!("curl -sSfL {} | sudo snap ack /dev/stdin", shell_word(&bundle)), proxy_store(store)]
}

fn proxy_store(store: &StoreAssertion) -> String {
    format!("sudo snap set core proxy.store={}", shell_word(&store.store))
}

/// A script for each client: by the site's store assertion, or else by a drop-in that names `serve_url`.
pub fn script(
    facts: &Facts,
    serve_url: Option<&ServeUrl>,
    authority: Option<&Certificates>,
) -> Result<String, SetupError> {
    if !facts.has_client(ClientProgram::Snapd) {
        return Err(nothing("snaps").into());
    }
    let head = "#!/bin/sh\n".to_owned()
        + &quote::comment("#", &format!("{}\nTo be run once on each client.", facts.headline("The snap store")))
        + "set -eu\n\n";
    Ok(head
        + &match (&facts.store, serve_url) {
            (Some(store), _) => by_assertion(store, authority),
            (None, Some(url)) => by_drop_in(url, authority),
            (None, None) => return Err(no_serve_url("snapd without a store assertion").into()),
        })
}

/// The assertions are in the script: over https, curl would have to trust the certificate first. snapd refuses a store that it
/// knows no assertion of, so that comes last.
fn by_assertion(store: &StoreAssertion, authority: Option<&Certificates>) -> String {
    let mut text = authority.map_or_else(String::new, trust);
    if authority.is_none() && store.url.scheme() == "https" {
        let text_of =
            "With a certificate by an authority of your own, before the rest; or write this with --ca-cert ca.pem:";
        text += &quote::comment("#", &format!("{text_of}\n  {CERTIFICATE}"));
    }
    let [by_network, set] = commands(store);
    text += &quote::comment("#", &format!("The store {} at {}. The same as:\n  {by_network}", store.store, store.url));
    text += &format!(
        "base64 -d <<'END-OF-ASSERTIONS' | sudo snap ack /dev/stdin\n{}END-OF-ASSERTIONS\n{set}\n",
        base64_lines(&store.stream)
    );
    text
}

/// Makes snapd trust an authority: its clients of the store read this setting, whatever told them where the store is.
fn trust(authority: &Certificates) -> String {
    let set = format!("sudo snap set system {STORE_CERTS}=");
    let certificates = authority.text();
    quote::comment("#", "The authority that vouches for the store's certificate.")
        + &format!("{set}\"$(cat <<'END-OF-CERTIFICATES'\n{certificates}END-OF-CERTIFICATES\n)\"\n\n")
}

fn by_drop_in(url: &ServeUrl, authority: Option<&Certificates>) -> String {
    let (folder, _) = DROP_IN.rsplit_once('/').unwrap_or_default();
    let trust = authority.map_or_else(String::new, trust);
    trust
        + &quote::comment(
            "#",
            "No store assertion is kept at the site: snapd is told by its environment. `snap download` needs the same there.",
        )
        + &format!(
            "sudo mkdir -p {folder}\nsudo tee {DROP_IN} >/dev/null <<'END'\n{}END\n\
             sudo systemctl daemon-reload\nsudo systemctl restart snapd.service\n",
            drop_in(url)
        )
}

/// The text of the drop-in. In systemd's files, `%` begins a specifier.
pub(super) fn drop_in(url: &ServeUrl) -> String {
    format!("[Service]\nEnvironment=SNAPPY_FORCE_API_URL={}\n", url.to_string().replace('%', "%%"))
}

/// Bytes for `base64 -d`.
pub(super) fn base64_lines(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let mut text = String::new();
    for (at, digit) in base64::engine::general_purpose::STANDARD.encode(bytes).chars().enumerate() {
        if at > 0 && at % 76 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    #[test]
    fn the_assertion_comes_before_the_setting() {
        let text = script(&facts(), None, None).unwrap();
        let places = [
            "snap set system store-certs",
            "| sudo snap ack /dev/stdin\ndHlwZT",
            "\nsudo snap set core proxy.store=gapStore\n",
        ];
        let found: Vec<_> =
            places.iter().map(|words| text.find(words).unwrap_or_else(|| panic!("{words} in {text}"))).collect();
        assert!(found.is_sorted());
    }

    #[test]
    fn a_hostile_store_stays_one_word() {
        let mut facts = facts();
        let store = facts.store.as_mut().unwrap();
        store.store = "a'; id; '$(id)\nid".into();
        let text = script(&facts, None, None).unwrap();
        assert!(text.contains("proxy.store='a'\\''; id; '\\''$(id)\\u{a}id'\n"), "{text}");
        assert!(text.lines().all(|line| !line.starts_with("id")));
    }

    #[test]
    fn without_an_assertion_there_is_the_drop_in() {
        let mut facts = facts();
        facts.store = None;
        assert!(script(&facts, None, None).unwrap_err().to_string().contains("needs --serve-url"));
        let text = script(&facts, Some(&"http://gapferry.dc1.example/".parse().unwrap()), None).unwrap();
        assert!(text.contains("\nEnvironment=SNAPPY_FORCE_API_URL=http://gapferry.dc1.example\nEND\n"), "{text}");
        facts.kinds.retain(|kind| kind.client() != ClientProgram::Snapd);
        assert_eq!(script(&facts, None, None).unwrap_err().to_string(), "the site publishes no snaps");
    }
}
