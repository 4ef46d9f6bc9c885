//! Unsigned packages cannot answer for the address of a signed source, however it is spelled.

use gapferry::formats::openpgp::SiteKey;
use gapferry::time::Time;

use super::*;

/// A site with a signed archive, and a source of own packages that it allows unsigned.
fn site() -> (Desk, ReadBundle) {
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
    own.origin = origin.into();
    for proof in &mut own.proofs {
        proof.path = proof.path.as_str().replace("dists/local", "dists/noble").parse().unwrap();
    }
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
        find(manifest, "ubuntu").origin = "http://elsewhere.example/ubuntu".into();
    });
    desk.import(&moved).says(Exit::Refused, &["archive.example/ubuntu belongs to the source ubuntu"]);
    // In two steps: the site remembers the address also after the signed collection has left.
    let left = forge(&desk, &honest, |manifest| manifest.collections.retain(|c| c.name.as_str() == "own"));
    let ended = desk.import(&left).ok();
    assert!(
        ended.err.contains("apt/ubuntu (from http://archive.example/ubuntu) is no longer carried"),
        "{}",
        ended.err
    );
    let later = manifest(&left);
    let claimed = forge(&desk, &later, |manifest| claim(find(manifest, "own"), ARCHIVE));
    desk.import(&claimed).says(Exit::Refused, &["archive.example/ubuntu belongs to the source ubuntu"]);
    let name = forge(&desk, &later, |manifest| {
        let own = find(manifest, "own");
        own.name = "ubuntu".parse().unwrap();
        own.origin = "http://new.example/".into();
    });
    desk.import(&name).says(Exit::Refused, &["it belongs to the source ubuntu and not to own"]);
}

#[test]
fn unsigned_packages_answer_for_no_address_but_those_of_site_toml() {
    let (desk, honest) = site();
    let uri = "http://own.example/ubuntu";
    let fresh = forge(&desk, &honest, |manifest| claim(find(manifest, "own"), uri));
    let dry = desk.run(&format!("import {} --site site --dry-run", fresh.display())).ok();
    let ended = desk.import(&fresh).ok();
    let words =
        "apt/own: upstream does not vouch for all of it, so it answers by path alone, and not for own.example/ubuntu";
    assert!(ended.err.contains(words) && dry.err.contains(words), "{}\n{}", ended.err, dry.err);
    let answers = || desk.run("status --site site --json").ok().json()["answers"].clone();
    let signed = ["archive.example/ubuntu", "security.example/ubuntu"];
    let named: Vec<String> = answers().as_object().unwrap().keys().cloned().collect();
    assert_eq!(named, signed);
    let serving = desk.serve();
    let refused = fails(&client(&desk, &serving, uri, "noble"));
    assert!(refused.contains("404"), "{refused}");
    drop(serving);
    // Neither name servers nor web servers are told of it.
    for what in ["dns --for dnsmasq --address 10.0.0.5", "nginx --serve-url http://g.example"] {
        let text = desk.run(&format!("setup {what} --site site")).ok().out;
        assert!(text.contains("archive.example") && !text.contains("own.example"), "{text}");
    }
    // The words of the note are what permits it, at once.
    assert!(ended.err.contains(&format!("`url = \"{uri}\"` and `collection = \"apt/own\"`")), "{}", ended.err);
    configure(&desk, &format!("[[serve.alias]]\nurl = \"{uri}\"\ncollection = \"apt/own\"\n"));
    let serving = desk.serve();
    assert_eq!(downloads(&client(&desk, &serving, uri, "noble"), "hello"), ["hello_9.9-1_amd64.deb"]);
    drop(serving);
    configure(&desk, "[[serve.alias]]\nurl = \"http://archive.example/ubuntu/own\"\ncollection = \"apt/own\"\n");
    let below =
        forge(&desk, &manifest(&fresh), |manifest| claim(find(manifest, "own"), "http://archive.example/ubuntu/own"));
    let ended = desk.import(&below).ok();
    assert!(!ended.err.contains("by path alone"), "{}", ended.err);
    let serving = desk.serve();
    let uri = "http://archive.example/ubuntu/own";
    assert_eq!(downloads(&client(&desk, &serving, uri, "noble"), "hello"), ["hello_9.9-1_amd64.deb"]);
    assert_eq!(downloads(&client(&desk, &serving, ARCHIVE, "noble"), "hello"), ["hello_1.0-1_amd64.deb"]);
}

/// Without items there is nothing that lacks a proof, and nothing that has one.
#[test]
fn an_empty_collection_without_proof_answers_for_no_address() {
    let (desk, honest) = site();
    let empty = forge(&desk, &honest, |manifest| {
        let own = find(manifest, "own");
        own.origin = "http://own.example/ubuntu".into();
        (own.files, own.items) = Default::default();
    });
    desk.import(&empty).ok();
    let answers = desk.run("status --site site --json").ok().json()["answers"].clone();
    assert!(answers.as_object().unwrap().keys().all(|address| !address.starts_with("own.example")), "{answers}");
    let taken = forge(&desk, &manifest(&empty), |manifest| {
        find(manifest, "own").origin = ARCHIVE.into();
        manifest.collections.retain(|collection| collection.name.as_str() == "own");
    });
    desk.import(&taken).says(Exit::Refused, &["archive.example/ubuntu belongs to the source ubuntu"]);
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

/// Another archive, signed by a key of its own that the site pins for it alone.
#[test]
fn a_source_cannot_answer_for_the_address_of_one_with_other_keys() {
    let desk = Desk::new();
    archive(&desk, "noble", "hello", "1.0-1");
    let key = SiteKey::generate("Vendor <vendor@test.invalid>", Time::now().unix() - 9 * 24 * 3600).unwrap();
    fs::write(desk.path("vendor.gpg"), key.public_binary().unwrap()).unwrap();
    let mut vendor = Upstream::new("Vendor", &["amd64"]);
    vendor.add("noble", "main", DebSpec::new("hello", "66-1", "amd64"));
    vendor.suite("noble").date = Time::now().unix() - 3600;
    vendor.write_to(&desk.path("up/apt"), &key).unwrap();
    let table = |name: &str, url: &str| desk.table(name, url, "noble main amd64", "");
    let own = "http://vendor.example/apt";
    let (ours, keyring) = (desk.path("keyring.gpg"), desk.path("vendor.gpg"));
    let theirs = table("vendor", own).replace(ours.to_str().unwrap(), keyring.to_str().unwrap());
    desk.select(&(table("ubuntu", ARCHIVE) + &theirs));
    desk.init(&["ubuntu", "second"], "--keyring vendor=vendor.gpg");
    configure(&desk, "[[serve.alias]]\nurl = \"http://security.example/ubuntu\"\ncollection = \"apt/ubuntu\"\n");
    let honest = bundle(&desk);
    desk.import(&honest).ok();
    let honest = manifest(&honest);
    let words = ["belongs to the source ubuntu, for which other keys are pinned", "[[serve.alias]]"];
    for origin in [
        ARCHIVE,
        "https://Archive.Example.:8443//ubuntu/",
        "http://archive.example/ubuntu/x",
        "http://security.example/ubuntu",
    ] {
        for (is_gone, moved) in [(true, None), (false, Some("http://elsewhere.example/ubuntu"))] {
            let forged = forge(&desk, &honest, |manifest| {
                find(manifest, "vendor").origin = origin.into();
                if let Some(moved) = moved {
                    find(manifest, "ubuntu").origin = moved.into();
                }
                if is_gone {
                    manifest.collections.retain(|collection| collection.name.as_str() == "vendor");
                }
            });
            desk.import(&forged).says(Exit::Refused, &words);
        }
    }
    let serving = desk.serve();
    assert_eq!(downloads(&client(&desk, &serving, ARCHIVE, "noble"), "hello"), ["hello_1.0-1_amd64.deb"]);
    assert_eq!(downloads(&client(&desk, &serving, own, "noble"), "hello"), ["hello_66-1_amd64.deb"]);
    drop(serving);
    // The pins may change for one of two sources that have shared an address; neither is taken off it.
    desk.select(&(table("second", ARCHIVE) + &theirs));
    desk.import(&bundle(&desk)).ok();
    desk.run("site pin --site site --source ubuntu --keyring vendor.gpg --replace").ok();
    desk.import(&folder_of(&desk, &export(&desk, "--force").ok())).ok();
    // What site.toml says is the administrator's word.
    desk.run("site pin --site site --source ubuntu --keyring keyring.gpg --replace").ok();
    configure(&desk, &format!("[[serve.alias]]\nurl = \"{ARCHIVE}/x\"\ncollection = \"apt/vendor\"\n"));
    let later = export(&desk, "--force").ok();
    let given = forge(&desk, &manifest(&folder_of(&desk, &later)), |manifest| {
        find(manifest, "vendor").origin = format!("{ARCHIVE}/x").into();
    });
    desk.import(&given).ok();
}
