//! Stock snapd finds our store as fleets do: by a genuine store assertion, `proxy.store`, and TLS with an authority of the site.

use super::shop::{FIRST, desk, serve};
use crate::support::desk::Desk;
use crate::support::genuine::shared_data;
use crate::support::snapd::{Build, Snapd, cage};
use crate::support::tls::mint;

const STORE: &str = "heS0H76dk4bNRuKjR7wla9I1ImsE7AGr";
/// In the URL of that store.
const HOST: &str = "enterprise-store.snapd.canonical.com";
const LISTEN: &str = "--listen 127.0.0.1:80 --tls-listen 127.0.0.1:443 --tls-cert server.pem --tls-key key.pem";

/// A site that keeps the genuine store assertion and has a certificate for its host; nothing where there is none.
fn site() -> Option<Desk> {
    let assertion = shared_data()?.join("store-heS0H76d.assert");
    let desk = desk(FIRST);
    desk.run(&format!("store-assertion --site site {}", assertion.display())).ok();
    mint(&desk.path(""), &format!("DNS:{HOST}"));
    Some(desk)
}

#[test]
fn stock_snapd_reaches_the_store_of_a_genuine_assertion() {
    let Some(desk) = site() else { return };
    // The store that snapd would ask by itself is this machine too, lest it waits for one.
    let Some(cage) = cage(Build::Stock, &[HOST, "api.snapcraft.io"]) else { return };
    let _server = serve(&cage, &desk, LISTEN);
    let snapd = Snapd::start(cage, None);
    let certificate = std::fs::read_to_string(desk.path("ca.pem")).unwrap();
    std::fs::write(snapd.cage.path("ca.pem"), &certificate).unwrap();

    let proxy = format!("set core proxy.store={STORE}");
    let too_early = snapd.snap(&proxy);
    assert!(too_early.err.contains("without a matching store assertion"), "{}", too_early.err);
    let fetch = format!("curl -sSf --cacert ca.pem https://{HOST}/v2/auth/store/assertions -o own");
    snapd.shell(&fetch).ok();
    snapd.snap("ack own").ok();
    snapd.snap(&proxy).ok();

    // The host's own authorities do not vouch for our certificate.
    let refused = snapd.snap("info gapword");
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(snapd.log().contains("x509: certificate signed by unknown authority"), "{}", refused.err);
    snapd.snap_with(&["set", "system", &format!("store-certs.gapferry={certificate}")]).ok();

    let info = snapd.snap("info gapword").ok().out;
    assert!(
        info.contains("publisher: gap-publisher (gap-publisher**)") && info.contains("latest/stable:    1.0"),
        "{info}"
    );
    let found = snapd.snap("find gapword").ok().out;
    assert!(found.contains("generated snap gapword"), "{found}");
    // What the tests signed, it refuses all the same, when it has got it.
    let install = snapd.snap("install gapword");
    assert!(install.err.contains("account (testsuite) not found"), "{}", install.err);
}

/// As `setup snapd --serve-url https://… --ca-cert` sets it up: the address in the environment, the authority as a setting.
#[test]
fn stock_snapd_trusts_the_authority_without_a_store_assertion() {
    const SHOP: &str = "snaps.dc1.example";
    let desk = desk(FIRST);
    mint(&desk.path(""), &format!("DNS:{SHOP}"));
    let Some(cage) = cage(Build::Stock, &[SHOP]) else { return };
    let _server = serve(&cage, &desk, LISTEN);
    let snapd = Snapd::start(cage, Some(&format!("https://{SHOP}")));
    assert_ne!(snapd.snap("info gapword").code, 0, "the host's own authorities do not vouch for the certificate");
    let certificate = std::fs::read_to_string(desk.path("ca.pem")).unwrap();
    snapd.snap_with(&["set", "system", &format!("store-certs.gapferry={certificate}")]).ok();
    let info = snapd.snap("info gapword").ok().out;
    assert!(info.contains("latest/stable:    1.0"), "{info}");
}
