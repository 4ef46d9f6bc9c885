//! What nobody vouches for needs the site's leave, and is marked wherever it is listed. Own packages: `journey::local`.

use std::fs;

use gapferry::cli::Exit;

use crate::serve::fetch;
use crate::support::desk::Desk;
use crate::support::os_images::{table, tgz};

/// An own image and own files.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("online/rocky.tgz"), tgz(b"an image")).unwrap();
    fs::write(desk.path("online/tool"), "a tool").unwrap();
    desk.select(&format!(
        "{}[[files]]\nname = \"tools\"\nfrom = \"tool\"\n",
        table("from = \"rocky.tgz\"", ["custom", "rocky9", "tgz", "1"], "")
    ));
    desk
}

#[test]
fn own_images_and_files_need_the_sites_leave_each() {
    let desk = desk();
    let bundle = desk.bundle();
    for (allowed, source) in
        [("", "tools"), ("--allow-unsigned tools", "os-images"), ("--allow-unsigned os-images", "tools")]
    {
        desk.init(&[], allowed);
        let words = format!("add the source {source} to allow-unsigned");
        desk.import(&bundle).says(Exit::Refused, &["comes without proof by upstream", &words]);
        assert!(!desk.path("site/current").exists());
        fs::remove_dir_all(desk.path("site")).unwrap();
    }
    desk.init(&[], "--allow-unsigned os-images --allow-unsigned tools");
    desk.import(&bundle).ok();
}

#[test]
fn every_listing_marks_them() {
    let desk = desk();
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {}", bundle.display())).ok().out;
    assert_eq!(inspected.matches("WITHOUT UPSTREAM PROOF").count(), 2, "{inspected}");
    desk.init(&[], "--allow-unsigned os-images --allow-unsigned tools");
    desk.import(&bundle).ok();
    let status = desk.run("status --site site").ok().out;
    assert_eq!(status.matches("1 items WITHOUT UPSTREAM PROOF").count(), 2, "{status}");
    let json = desk.run("status --site site --json").ok().json();
    for folder in ["os-images/own", "files/tools"] {
        assert_eq!(json["published"][folder]["unsigned"], 1, "{json}");
    }
    let serving = desk.serve();
    for target in ["/", "/?q=rocky", "/?q=tool"] {
        let (status, page) = fetch(&serving, target);
        let page = String::from_utf8(page).unwrap();
        let marks = if target == "/" { 2 } else { 3 };
        assert_eq!((status, page.matches("without upstream’s signature").count()), (200, marks), "{page}");
    }
}

#[test]
fn a_signed_image_needs_a_pinned_key_and_no_leave() {
    let desk = desk();
    let key = &*crate::support::os_images::IMAGE_KEY;
    fs::write(desk.path("online/images.gpg"), key.public_binary().unwrap()).unwrap();
    let signature = key.sign_detached(&tgz(b"an image"), gapferry::time::Time::now().unix() - 60).unwrap();
    fs::write(desk.path("online/rocky.sig"), signature).unwrap();
    let signed = "signature = \"rocky.sig\"\nkeyring = \"images.gpg\"";
    desk.select(&table("from = \"rocky.tgz\"", ["custom", "rocky9", "tgz", "1"], signed));
    let bundle = desk.bundle();
    desk.init(&[], "--allow-unsigned os-images");
    desk.import(&bundle)
        .says(Exit::Refused, &["no upstream keyring is pinned for the source os-images", "gapferry site pin"]);
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.init(&["os-images"], "");
    desk.import(&bundle).says(Exit::VerificationFailed, &["is not vouched for by the keys pinned here"]);
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.init(&[], "--keyring os-images=online/images.gpg");
    desk.import(&bundle).ok();
    let status = desk.run("status --site site").ok().out;
    assert!(!status.contains("WITHOUT UPSTREAM PROOF"), "{status}");
}
