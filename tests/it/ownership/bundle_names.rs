//! Two selections for one site: what they have in common is refused early, or answers together.

use super::*;

/// The bundle of a selection of its own: the source and the bundle have one name.
fn select(desk: &Desk, name: &str, suite: &str, package: &str) {
    let more = format!("packages = [\"{package}\"]");
    desk.select_as(name, &desk.table(name, ARCHIVE, &format!("{suite} main amd64"), &more));
}

fn upstream(desk: &Desk) {
    let mut upstream = Upstream::new("Ubuntu", &["amd64"]);
    for (suite, package) in [("noble", "hello"), ("noble", "htop"), ("noble-updates", "jq")] {
        upstream.add(suite, "main", DebSpec::new(package, "1.0-1", "amd64"));
    }
    desk.archive("up/ubuntu", &mut upstream, &["noble", "noble-updates"]);
}

#[test]
fn one_address_in_two_bundle_names_is_refused_or_answered_together() {
    let desk = Desk::new();
    upstream(&desk);
    select(&desk, "base", "noble", "hello");
    desk.init(&["base", "tools", "more"], "");
    desk.import(&bundle(&desk)).ok();
    select(&desk, "tools", "noble", "htop");
    let second = bundle(&desk);
    let words =
        ["apt/base and apt/tools both answer for archive.example/ubuntu/dists/noble", "by-path-only = [\"apt/tools\"]"];
    desk.import(&second).says(Exit::Refused, &words);
    configure(&desk, "[serve]\nby-path-only = [\"apt/tools\"]\n");
    desk.import(&second).ok();
    // Another suite of the same archive answers together with the first.
    select(&desk, "more", "noble-updates", "jq");
    desk.import(&bundle(&desk)).ok();
    let status = desk.run("status --site site --json").ok().json();
    assert_eq!(status["answers"], serde_json::json!({ "archive.example/ubuntu": ["apt/base", "apt/more"] }));
    let text = desk.run("status --site site").ok().out;
    assert_eq!(text.matches("answers for archive.example/ubuntu").count(), 2, "{text}");
    let dns = desk.run("setup dns --site site --for dnsmasq --address 10.0.0.5").ok().out;
    assert!(dns.contains("apt/base; apt/more"), "{dns}");
    let serving = desk.serve();
    let page = String::from_utf8(crate::serve::fetch(&serving, "/").1).unwrap();
    let row = "<th scope=\"row\">archive.example/ubuntu</th><td>apt/base, apt/more</td><td>they answer together</td>";
    assert!(page.contains(row) && page.contains("Under this site’s own name alone: apt/tools."), "{page}");
    let apt = client(&desk, &serving, ARCHIVE, "noble noble-updates");
    assert_eq!(downloads(&apt, "hello jq"), ["hello_1.0-1_amd64.deb", "jq_1.0-1_amd64.deb"]);
    let apt = client(&desk, &serving, &format!("http://{}/apt/tools", serving.address), "noble");
    fs::remove_file(apt.path("etc/apt/apt.conf.d/proxy")).unwrap();
    assert_eq!(downloads(&apt, "htop"), ["htop_1.0-1_amd64.deb"]);
}

#[test]
fn collections_of_two_selections_that_collide_are_refused_at_export() {
    let desk = Desk::new();
    upstream(&desk);
    own_deb(&desk, "tool", "1");
    let own = "[[apt]]\nname = \"own\"\nlocal = \"debs\"\n";
    desk.select_as("base", own);
    desk.export("").ok();
    for (name, table) in [
        ("tools", own.to_owned()),
        ("more", desk.table("own", &desk.url("up/ubuntu"), "noble main amd64", "")),
        ("base-x", format!("{own}\n{}", desk.table("ubuntu", &desk.url("up/ubuntu"), "noble main amd64", ""))),
    ] {
        desk.select_as(name, &table);
        desk.export("").says(Exit::Usage, &["apt/own", "bundles named base", "dc1-base.json"]);
    }
    // The same name for another kind of content, and another name, are fine.
    fs::write(desk.path("online/file"), "x").unwrap();
    desk.select_as("files", "[[files]]\nname = \"own\"\nfrom = \"file\"\n");
    desk.export("").ok();
}
