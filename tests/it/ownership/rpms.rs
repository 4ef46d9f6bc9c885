//! RPM repositories, with dnf as the victim.

use super::*;
use crate::yum::dnf::Dnf;
use crate::yum::rpms::RPMS;
use crate::yum::{APP_1, APP_2, APP_3, LIB, SHOWN};

/// The address of the repository that the sites publish.
const REPOSITORY: &str = "http://mirror.example/el";
/// The name that dnf gives to the package of the unsigned repository.
const FORGED: &str = "ferry-app-0:10.0-1.x86_64";

fn signed(name: &str, url: &str) -> String {
    let keyring = RPMS.path("Upstream.asc");
    format!("[[yum]]\nname = \"{name}\"\nurl = \"{url}\"\nkeyring = \"{}\"\n", keyring.display())
}

fn init(desk: &Desk, sources: &[&str], more: &str) {
    let keyring = RPMS.path("Upstream.asc");
    let pins: String = sources.iter().map(|source| format!(" --keyring {source}={}", keyring.display())).collect();
    desk.init(&[], &format!("{pins} {more}"));
}

/// A machine that asks the site, by a proxy setting, for an address, and checks lists and packages with the keys that the site publishes.
fn machine(desk: &Desk, serving: &Serving, url: &str) -> Dnf {
    let keys = format!("file://{0}/keys/site.asc file://{0}/keys/yum/el.asc", desk.path("site/current").display());
    Dnf::new(&format!("{url}/"), &keys, &format!("proxy=http://{}/", serving.address))
}

#[test]
fn unsigned_repositories_cannot_answer_for_the_address_of_a_signed_one() {
    let desk = Desk::new();
    RPMS.repository(&desk.path("up/el"), 1, &[APP_1, LIB]);
    RPMS.repository(&desk.path("up/own"), 2, &[APP_3, LIB]);
    fs::remove_file(desk.path("up/own/repodata/repomd.xml.asc")).unwrap();
    let own = format!("[[yum]]\nname = \"own\"\nurl = \"{}\"\nallow-unsigned = true\n", desk.url("up/own"));
    desk.select(&(signed("el", REPOSITORY) + &own));
    init(&desk, &["el"], "--allow-unsigned own");
    configure(&desk, "[[serve.alias]]\nurl = \"http://vault.example/el\"\ncollection = \"yum/el\"\n");
    let honest = bundle(&desk);
    desk.import(&honest).ok();
    let honest = manifest(&honest);
    let addresses = [
        "http://MIRROR.example./el/",
        "https://mirror.example:8443/%65l",
        "http://mirror.example/el/repodata",
        "http://mirror.example/",
        "http://vault.example//el",
    ];
    refuses_claims(&desk, &honest, "own", "el", &addresses);
    let serving = desk.serve();
    let dnf = machine(&desk, &serving, REPOSITORY);
    assert_eq!(dnf.offered(), [SHOWN[0], SHOWN[2]]);
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);

    // Nor does it answer for an address that nobody had, unless site.toml says so.
    let fresh = "http://fresh.example/own";
    let claimed = forge(&desk, &honest, |manifest| find(manifest, "own").origin = fresh.into());
    let ended = desk.import(&claimed).ok();
    assert!(ended.err.contains("yum/own: upstream does not vouch for all of it"), "{}", ended.err);
    let refused = machine(&desk, &serving, fresh).run("makecache");
    assert!(refused.code != 0 && refused.err.contains("404"), "{refused:?}");
    drop(serving);
    configure(&desk, &format!("[[serve.alias]]\nurl = \"{fresh}\"\ncollection = \"yum/own\"\n"));
    let serving = desk.serve();
    assert_eq!(machine(&desk, &serving, fresh).offered(), [FORGED, SHOWN[2]]);
    assert_eq!(machine(&desk, &serving, REPOSITORY).offered(), [SHOWN[0], SHOWN[2]]);
}

#[test]
fn dnf_does_not_see_a_repository_go_back() {
    let desk = Desk::new();
    RPMS.repository(&desk.path("up/el"), 1, &[APP_1, LIB]);
    desk.select(&signed("el", REPOSITORY));
    let older = manifest(&bundle(&desk));
    RPMS.repository(&desk.path("up/el"), 2, &[APP_2, LIB]);
    let newest = bundle(&desk);
    init(&desk, &["el", "a"], "");
    desk.import(&newest).ok();
    let serving = desk.serve();
    let dnf = machine(&desk, &serving, REPOSITORY);
    assert_eq!(dnf.offered(), [SHOWN[1], SHOWN[2]]);
    let genuine = Genuine { name: "el", origin: REPOSITORY };
    refuses_older_states(&desk, [&older, &manifest(&newest)], &genuine, "https://Mirror.example.:8443//el/", |what| {
        assert_eq!(dnf.offered(), [SHOWN[1], SHOWN[2]], "{what}");
    });
}
