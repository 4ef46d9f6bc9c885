//! What can go wrong with reprepro: each error says what to do, and loses nothing.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, build_deb};

use super::{Row, base, desk, reprepro, select, upstream};
use crate::apt_client::run;
use crate::support::desk::{Desk, end};

const FIRST: [Row; 2] = [Row("noble", "a", "1"), Row("noble-updates", "b", "1")];
const SECOND: [Row; 2] = [Row("noble", "a", "2"), Row("noble-updates", "b", "1")];

/// What clients see of `a`.
fn published(desk: &Desk) -> String {
    let path = desk.path("site/current/apt/up/dists/noble/main/binary-amd64/Packages");
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| line.starts_with("Version: ")).collect()
}

#[test]
fn a_package_that_is_there_with_other_bytes() {
    let desk = desk(&FIRST);
    // Someone has added the next version by hand, built elsewhere.
    let other = DebSpec { depends: "b".to_owned(), ..DebSpec::new("a", "2", "amd64") };
    fs::write(desk.path("a_2.deb"), build_deb(&other).unwrap()).unwrap();
    reprepro(&desk, "--export=never -C main remove noble a");
    reprepro(&desk, &format!("--export=never -C main includedeb noble {}", desk.path("a_2.deb").display()));
    upstream(&desk, &SECOND);
    let bundle = desk.bundle();
    let base = base(&desk).display().to_string();
    let command = format!("reprepro --basedir {base} --export=never -C main remove noble a");
    let ended = desk.import(&bundle);
    let digest = |bytes: &[u8]| gapferry::digest::Sha256::of(bytes).to_string();
    let there = digest(&build_deb(&other).unwrap());
    let wanted = digest(&build_deb(&DebSpec::new("a", "2", "amd64")).unwrap());
    ended.says(Exit::Refused, &["pool/main/a/a/a_2_amd64.deb", &there, &wanted, &format!("`{command}`")]);
    assert_eq!(published(&desk), "Version: 1");
    // It is theirs to take away: the same again does not build the folder without it.
    desk.import(&bundle).says(Exit::Refused, &[&command]);
    run(Command::new("sh").args(["-c", &command]));
    desk.import(&bundle).ok();
    assert_eq!(published(&desk), "Version: 2");
}

#[test]
fn a_signing_key_that_is_missing() {
    let desk = desk(&FIRST);
    upstream(&desk, &SECOND);
    let bundle = desk.bundle();
    let settings = desk.path("site/site.toml");
    let before = fs::read_to_string(&settings).unwrap();
    let (fingerprint, home) = ("0123456789ABCDEF0123456789ABCDEF01234567", desk.path("empty"));
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&home).unwrap();
    let own =
        |text: &str| format!("{before}\n[reprepro]\nsign-with = \"{text}\"\ngnupg-home = \"{}\"\n", home.display());
    fs::write(&settings, own(fingerprint)).unwrap();
    let next = format!("`gpg --homedir {} --import FILE`", home.display());
    desk.import(&bundle).says(Exit::Usage, &["has no secret key", fingerprint, &next, "run the same again"]);
    assert_eq!(published(&desk), "Version: 1");
    fs::write(&settings, own("--import")).unwrap();
    desk.import(&bundle).says(Exit::Usage, &["must be a whole fingerprint"]);
    fs::write(&settings, before).unwrap();
    desk.import(&bundle).ok();
    assert_eq!(published(&desk), "Version: 2");
    let _ = Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]).status();
}

#[test]
fn without_reprepro_nothing_is_lost() {
    let desk = desk(&FIRST);
    upstream(&desk, &SECOND);
    let bundle = desk.bundle();
    fs::create_dir(desk.path("bin")).unwrap();
    let import = |path: &std::path::Path| {
        let mut command = desk.command(&format!("import {} --site site", bundle.display()));
        end(command.env("PATH", path))
    };
    import(&desk.path("bin")).says(Exit::Failed, &["gpg is not here", "install the package gnupg", "re-indexed"]);
    for program in ["gpg", "gpgconf"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{program}"), desk.path("bin").join(program)).unwrap();
    }
    import(&desk.path("bin"))
        .says(Exit::Failed, &["reprepro is not here", "install the package reprepro", "publish = \"re-indexed\""]);
    assert_eq!(published(&desk), "Version: 1");
    desk.import(&bundle).ok();
    assert_eq!(published(&desk), "Version: 2");
}

#[test]
fn what_reprepro_cannot_publish_is_refused() {
    // Clients know the suite by upstream's codename, since it was re-indexed before.
    let desk = Desk::new();
    upstream(&desk, &FIRST);
    desk.select(&desk.table("up", &desk.url("up"), "noble,noble-updates main amd64", ""));
    desk.init(&["up"], "");
    desk.ferry();
    upstream(&desk, &SECOND);
    select(&desk);
    let bundle = desk.bundle();
    desk.import(&bundle)
        .says(Exit::Refused, &["apt/up/noble-updates by the codename noble,", "publish = \"re-indexed\""]);
    assert_eq!(published(&desk), "Version: 1");

    let text = format!(
        "{}publish = \"reprepro\"\n",
        "[[images]]\nname = \"x\"\nurl = \"http://x.invalid/\"\nallow-unsigned = true\n"
    );
    desk.select(&text);
    desk.export("").says(Exit::Usage, &["publish = \"reprepro\" is for [[apt]]"]);
}

/// A failed run of reprepro's own is told with the end of its words.
#[test]
fn reprepros_own_words_are_in_the_error() {
    let desk = desk(&FIRST);
    upstream(&desk, &SECOND);
    let bundle = desk.bundle();
    fs::write(base(&desk).join("conf/options"), "nonsense\n").unwrap();
    desk.import(&bundle).says(Exit::Failed, &["reprepro clearvanished ended with", "nonsense", "builds", "again"]);
    fs::remove_file(base(&desk).join("conf/options")).unwrap();
    desk.import(&bundle).ok();
    assert_eq!(published(&desk), "Version: 2");
}
