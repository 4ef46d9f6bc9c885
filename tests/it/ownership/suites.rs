//! A mirror cannot pass one suite off as another: the names that upstream signs must be those that were asked for.

use super::*;
use crate::apt_client::output;
use crate::support::desk::{ARCHIVE_KEY, Ended};

/// An archive with one suite, which the mirror shows as `shown` too.
fn mirror(desk: &Desk, suite: &str, codename: &str, shown: &str) {
    let _ = fs::remove_dir_all(desk.path("up"));
    let mut upstream = Upstream::new("Ubuntu", &["amd64"]);
    upstream.add(suite, "main", DebSpec::new("hello", "1.0-1", "amd64"));
    upstream.suite(suite).codename = codename.to_owned();
    desk.archive("up/ubuntu", &mut upstream, &[suite]);
    let (from, to) = (desk.path(&format!("up/ubuntu/dists/{suite}")), desk.path(&format!("up/ubuntu/dists/{shown}")));
    if from != to {
        fs::rename(from, desk.path("up/moved")).unwrap();
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(desk.path("up/moved"), to).unwrap();
    }
}

/// Signs the Release of a suite again, without the fields that begin with one of `fields`.
fn without(desk: &Desk, suite: &str, fields: &[&str]) {
    let folder = desk.path(&format!("up/ubuntu/dists/{suite}"));
    let text = fs::read_to_string(folder.join("InRelease")).unwrap();
    let text = text.split_once("\n\n").unwrap().1.split_once("-----BEGIN PGP SIGNATURE").unwrap().0;
    let kept = text.lines().filter(|line| !fields.iter().any(|field| line.starts_with(field)));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    let signed = ARCHIVE_KEY.sign_clear(&text, gapferry::time::Time::now().unix() - 60).unwrap();
    fs::write(folder.join("InRelease"), signed).unwrap();
}

/// Returns the messages of a real apt that asks the mirror for the suite.
fn apt_says(desk: &Desk, suite: &str) -> String {
    let client = AptClient::new("amd64");
    client.source(
        "deb",
        &format!("file://{}", desk.path("up/ubuntu").display()),
        suite,
        "main",
        &desk.path("keyring.gpg"),
    );
    let output = output(client.command("apt-get").arg("update"));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn select(desk: &Desk, suite: &str, more: &str) {
    desk.select(&desk.table("ubuntu", &desk.url("up/ubuntu"), &format!("{suite} main amd64"), more));
}

fn export(desk: &Desk) -> Ended {
    let _ = fs::remove_dir_all(desk.path("online/workspace"));
    let _ = fs::remove_dir_all(desk.path("medium"));
    desk.export("--json")
}

#[test]
fn export_refuses_a_suite_exactly_where_apt_warns() {
    let desk = Desk::new();
    for (suite, codename, asked, fine) in [
        ("testing", "forky", "stable", false),
        ("stable", "noble", "stable-security", false),
        ("stable-security", "noble-security", "stable", false),
        ("stable-security", "noble-security", "noble", false),
        ("Stable", "noble", "stable", false),
        ("stable", "noble", "stable", true),
        ("stable", "noble", "noble", true),
        ("stable", "noble", "noble/updates", true),
        ("stable", "noble", "stable/updates", true),
        ("stable", "noble", "updates/stable", false),
    ] {
        mirror(&desk, suite, codename, asked);
        select(&desk, asked, "");
        let said = apt_says(&desk, asked);
        assert_eq!(said.contains("Conflicting distribution"), !fine, "{suite} as {asked}: {said}");
        let ended = export(&desk);
        match fine {
            true => drop(ended.ok()),
            false => drop(ended.says(Exit::VerificationFailed, &["asked for the suite", codename, "signed-as"])),
        }
    }
}

#[test]
fn a_suite_without_names_is_refused_as_apt_warns_of_it() {
    let desk = Desk::new();
    mirror(&desk, "stable", "noble", "stable");
    without(&desk, "stable", &["Suite:", "Codename:"]);
    select(&desk, "stable", "");
    assert!(apt_says(&desk, "stable").contains("Conflicting distribution"), "{}", apt_says(&desk, "stable"));
    export(&desk)
        .says(Exit::VerificationFailed, &["upstream signs no name in it", "signed-as = { \"stable\" = \"\" }"]);
    select(&desk, "stable", "signed-as = { \"stable\" = \"\" }");
    export(&desk).ok();
}

#[test]
fn both_sides_must_be_told_that_an_archive_differs() {
    let desk = Desk::new();
    mirror(&desk, "testing", "forky", "stable");
    select(&desk, "stable", "signed-as = { \"stable\" = \"forky\" }");
    desk.init(&["ubuntu"], "");
    let bundle = desk.path(export(&desk).ok().json()["bundle"].as_str().unwrap());
    let words = ["\"stable\"", "\"testing\" and \"forky\"", "[policy.signed-as.ubuntu]", "\"stable\" = \"forky\""];
    desk.import(&bundle).says(Exit::VerificationFailed, &words);
    assert!(!desk.path("site/current").exists());
    configure(&desk, "[policy.signed-as.ubuntu]\n\"stable\" = \"noble\"\n");
    desk.import(&bundle).says(Exit::VerificationFailed, &words);
    let path = desk.path("site/site.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("\"noble\"", "\"forky\"")).unwrap();
    desk.import(&bundle).ok();
}
