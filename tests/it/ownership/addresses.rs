//! Unsigned packages cannot answer for the address of a signed source, however it is spelled.

use gapferry::bundle::Manifest;
use gapferry::collection::Collection;
use gapferry::exit::Exit;

use super::*;

/// A site with a signed archive, and a source of own packages that it allows unsigned.
fn site() -> (Desk, Manifest) {
    let desk = Desk::new();
    archive(&desk, "noble", "hello", "1.0-1");
    own_deb(&desk, "hello", "9.9-1");
    let signed = desk.table("ubuntu", ARCHIVE, "noble main amd64", "");
    desk.select(&format!("{signed}\n[[apt]]\nname = \"own\"\nlocal = \"debs\"\n"));
    desk.init(&["ubuntu"], "--allow-unsigned own");
    configure(&desk, "[[serve.alias]]\nurl = \"http://security.example/ubuntu\"\ncollection = \"apt/ubuntu\"\n");
    let bundle = bundle(&desk);
    desk.import(&bundle).ok();
    (desk, manifest(&bundle))
}

/// Lets the own packages stand in the suite `noble` of an address.
fn claim(own: &mut Collection, origin: &str) {
    own.origin = origin.to_owned();
    for proof in &mut own.proofs {
        proof.path = proof.path.as_str().replace("dists/local", "dists/noble").parse().unwrap();
    }
}

fn find<'m>(manifest: &'m mut Manifest, name: &str) -> &'m mut Collection {
    manifest.collections.iter_mut().find(|collection| collection.name.as_str() == name).unwrap()
}

#[test]
fn unsigned_packages_are_refused_at_every_spelling_of_a_signed_address() {
    let (desk, honest) = site();
    for origin in [
        "http://archive.example./ubuntu",
        "http://ARCHIVE.Example/ubuntu/",
        "https://archive.example:8443/ubuntu",
        "http://u@archive.example//ubuntu//",
        "http://archive.example/x/%2e%2e/%75buntu",
        "http://arch%69ve.example/./ubuntu",
        "http://ａrchive。example/ubuntu",
        "http://archive.example/ubuntu/dists",
        "http://archive.example/",
        "http://security.example/ubuntu",
        "http://Security.Example.:80/ubuntu/pool",
    ] {
        let forged = forge(&desk, &honest, |manifest| claim(find(manifest, "own"), origin));
        desk.import(&forged)
            .says(Exit::Refused, &["without upstream's proof", "belongs to the source ubuntu", "[[serve.alias]]"]);
    }
    let serving = desk.serve();
    for uri in [ARCHIVE, "http://security.example/ubuntu"] {
        assert_eq!(downloads(&client(&desk, &serving, uri, "noble"), "hello"), ["hello_1.0-1_amd64.deb"]);
    }
}

#[test]
fn an_address_stays_its_sources_when_the_collection_moves_or_goes() {
    let (desk, honest) = site();
    let gone = forge(&desk, &honest, |manifest| {
        claim(find(manifest, "own"), ARCHIVE);
        manifest.collections.retain(|collection| collection.name.as_str() == "own");
    });
    desk.import(&gone).says(Exit::Refused, &["archive.example/ubuntu belongs to the source ubuntu"]);
    let moved = forge(&desk, &honest, |manifest| {
        claim(find(manifest, "own"), ARCHIVE);
        find(manifest, "ubuntu").origin = "http://elsewhere.example/ubuntu".to_owned();
    });
    desk.import(&moved).says(Exit::Refused, &["archive.example/ubuntu belongs to the source ubuntu"]);
    // In two steps: the site remembers the address also after the signed collection has left.
    let left = forge(&desk, &honest, |manifest| manifest.collections.retain(|c| c.name.as_str() == "own"));
    let ended = desk.import(&left).ok();
    assert!(ended.err.contains("apt/ubuntu is no longer carried"), "{}", ended.err);
    let later = manifest(&left);
    let claimed = forge(&desk, &later, |manifest| claim(find(manifest, "own"), ARCHIVE));
    desk.import(&claimed).says(Exit::Refused, &["archive.example/ubuntu belongs to the source ubuntu"]);
    let name = forge(&desk, &later, |manifest| {
        let own = find(manifest, "own");
        own.name = "ubuntu".parse().unwrap();
        own.origin = "http://new.example/".to_owned();
    });
    desk.import(&name).says(Exit::Refused, &["it belongs to the source ubuntu and not to own"]);
}

#[test]
fn unsigned_packages_answer_where_nobody_else_does_and_where_the_site_says() {
    let (desk, honest) = site();
    let fresh = forge(&desk, &honest, |manifest| claim(find(manifest, "own"), "http://own.example/ubuntu"));
    desk.import(&fresh).ok();
    let serving = desk.serve();
    let uri = "http://own.example/ubuntu";
    assert_eq!(downloads(&client(&desk, &serving, uri, "noble"), "hello"), ["hello_9.9-1_amd64.deb"]);
    drop(serving);
    configure(&desk, "[[serve.alias]]\nurl = \"http://archive.example/ubuntu/own\"\ncollection = \"apt/own\"\n");
    let below =
        forge(&desk, &manifest(&fresh), |manifest| claim(find(manifest, "own"), "http://archive.example/ubuntu/own"));
    desk.import(&below).ok();
    let serving = desk.serve();
    let uri = "http://archive.example/ubuntu/own";
    assert_eq!(downloads(&client(&desk, &serving, uri, "noble"), "hello"), ["hello_9.9-1_amd64.deb"]);
    assert_eq!(downloads(&client(&desk, &serving, ARCHIVE, "noble"), "hello"), ["hello_1.0-1_amd64.deb"]);
}

#[test]
fn apt_is_answered_whatever_slashes_and_dots_its_source_has() {
    let (desk, _) = site();
    let serving = desk.serve();
    for uri in [
        "http://archive.example//ubuntu",
        "http://archive.example/./ubuntu/",
        "http://archive.example/x/../ubuntu",
        "http://ARCHIVE.example/%75buntu",
        "http://archive.example:80/ubuntu//",
    ] {
        assert_eq!(downloads(&client(&desk, &serving, uri, "noble"), "hello"), ["hello_1.0-1_amd64.deb"], "{uri}");
    }
}
