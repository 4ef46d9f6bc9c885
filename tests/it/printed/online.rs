//! Commands that are printed on the online host, or for it.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;

use super::{carry, command_in, damage, desk, follow, follow_online, publish, shell};
use crate::support::desk::{Desk, clean, end, names};
use crate::support::read_bundle::packing_folder;

/// Fails unless two folders have the same files.
#[track_caller]
fn are_equal(desk: &Desk, a: &str, b: &str) {
    end(Command::new("diff").arg("-r").args([desk.path(a), desk.path(b)])).ok();
}

/// The only copy of a bundle crosses the gap with a damaged volume; the site's message leads to a good one.
#[test]
fn the_recut_command_of_a_site_leads_to_an_import() {
    let desk = desk();
    desk.init(&["demo"], "");
    let bundle = desk.bundle();
    damage(&packing_folder(&bundle).join("volume-002.tar"));
    let refused = desk.import(&bundle).says(Exit::VerificationFailed, &["volume-002.tar"]);
    let recut = command_in(&refused.err, "gapferry recut");
    let packing = packing_folder(&bundle);
    let id = packing.file_name().unwrap().to_str().unwrap();
    assert_eq!(recut, format!("gapferry recut dc1-base-000001 --packing {id} --volumes 2 --out ."));
    fs::rename(desk.path("medium"), desk.path("away")).unwrap();
    fs::create_dir_all(desk.path("operator")).unwrap();
    fs::create_dir_all(desk.path("stick")).unwrap();

    follow_online(&desk, "operator", &recut).ok();
    let copied = follow_online(&desk, "operator", "gapferry copy dc1-base-000001 ../stick --allow-folder").ok();
    assert!(packing_folder(&desk.path("stick/dc1-base-000001")).join("volume-002.tar").exists(), "{}", copied.out);
    assert!(!packing_folder(&desk.path("stick/dc1-base-000001")).join("volume-001.tar").exists(), "{}", copied.out);
    desk.run("import away stick --site site").ok();
}

/// The volume is on a medium already, as far as is known; the one that was made again goes to the next medium.
#[test]
fn copy_takes_a_volume_that_was_made_again_to_media_again() {
    let desk = desk();
    desk.init(&["demo"], "");
    let bundle = desk.bundle();
    for folder in ["first", "second", "operator"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    let copy = |from: &str, to: &str| {
        follow_online(&desk, "operator", &format!("gapferry copy {from} ../{to} --allow-folder"))
    };
    copy(bundle.to_str().unwrap(), "first").ok();
    copy(bundle.to_str().unwrap(), "second").says(Exit::NothingNew, &["on media already"]);
    fs::remove_file(packing_folder(&desk.path("first/dc1-base-000001")).join("volume-002.tar")).unwrap();
    follow_online(&desk, "operator", "gapferry recut dc1-base-000001 --volumes 2 --out .").ok();
    copy("dc1-base-000001", "second").ok();
    copy("dc1-base-000001", "second").ok();
    assert!(!packing_folder(&desk.path("second/dc1-base-000001")).join("volume-001.tar").exists());
    desk.run("import first second --site site").ok();
}

/// A bundle that was lost and never confirmed is sent again as the message says, wherever its folder has gone.
#[test]
fn a_lost_bundle_is_made_again_as_export_says() {
    let desk = desk();
    desk.bundle();
    let told = desk.export("").says(Exit::NothingNew, &["dc1-base-000001 was lost"]);
    fs::rename(desk.path("medium"), desk.path("lost")).unwrap();
    follow(&desk, "", &command_in(&told.err, "gapferry recut")).ok();
    are_equal(&desk, "lost", "medium");
    desk.init(&["demo"], "");
    desk.run("import medium --site site").ok();
}

#[test]
fn a_damaged_source_of_a_copy_is_made_again_as_copy_says() {
    let desk = desk();
    let bundle = desk.bundle();
    desk.run("protect medium/dc1-base-000001 --recovery 7% --spare-volumes 1").ok();
    carry(&desk, "medium", "before");
    fs::create_dir(desk.path("a stick")).unwrap();
    let copy = "gapferry copy medium/dc1-base-000001 'a stick' --allow-folder --workspace online/workspace";
    damage(&packing_folder(&bundle).join("volume-002.tar"));
    let told = follow(&desk, "", copy).says(Exit::VerificationFailed, &["damaged on this side"]);
    follow(&desk, "", &command_in(&told.err, "gapferry recut")).ok();
    damage(&packing_folder(&bundle).join("volume-001.rec"));
    let told = follow(&desk, "", &format!("{copy} --again")).ok();
    let protect = command_in(&told.err, "gapferry protect");
    follow(&desk, "", &protect).ok();
    are_equal(&desk, "before", "medium");
    follow(&desk, "", &format!("{copy} --again")).ok();
}

/// One stick after the other is mounted in the same place, as `copy` asks for it.
#[test]
fn copy_goes_on_with_the_next_medium_as_it_says() {
    let desk = desk();
    desk.init(&["demo"], "");
    desk.bundle();
    let script = r#"
        gapferry copy medium/dc1-base-000001 stick --workspace online/workspace 2>said
        for number in 2 3 4 5; do
            code=$?
            cp -r stick media/$number && umount stick && mount -t tmpfs -o size=240k none stick
            if [ $code = 0 ]; then exit 0; elif [ $code != 6 ]; then cat said >&2; exit $code; fi
            eval "$(sed -n 's/.*`\(gapferry copy [^`]*\)`.*/\1/p' said)" 2>said
        done
        cat said >&2; exit 1"#;
    for folder in ["stick", "media"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    let script = format!("mount -t tmpfs -o size=240k none stick && {{ {script}; }}");
    let inner = shell(&desk, "", &script);
    let mut outer = Command::new("unshare");
    outer.args(["--map-root-user", "--mount", "bash", "-c", &script]).current_dir(desk.path(""));
    clean(&mut outer);
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    end(&mut outer).ok();
    let media = names(&desk.path("media"));
    assert!(media.len() > 1, "{media:?}: nothing was left for another medium");
    let media: Vec<String> = media.iter().map(|medium| format!("media/{medium}")).collect();
    desk.run(&format!("import {} --site site", media.join(" "))).ok();
}

#[test]
fn a_bundle_without_signature_is_signed_as_the_messages_say() {
    let desk = desk();
    let export = "export online/selection.toml --out online/out --unsigned --workspace online/workspace";
    let told = desk.run(export).ok();
    let of_export: Vec<&str> = told.err.lines().filter_map(|line| Some(&line[line.find("ssh-keygen")?..])).collect();
    assert_eq!(of_export.len(), 2, "{}", told.err);
    // The key is in the folder where the command is run.
    fs::copy(desk.path("online/builder.key"), desk.path("builder.key")).unwrap();
    end(Command::new("chmod").arg("600").arg(desk.path("builder.key"))).ok();
    for command in of_export {
        let refused = desk.run("verify online/out/dc1-base-000001 --builder online/builder.key.pub");
        assert_eq!(command_in(&refused.err, "ssh-keygen"), command);
        follow(&desk, "", command).ok();
    }
    desk.run("verify online/out/dc1-base-000001 --builder online/builder.key.pub").ok();
}

/// `confirm`, `recut`, `copy`, `inspect`, `verify` and `protect` take a bundle by its path and by its name.
#[test]
fn bundles_are_found_by_path_and_by_name() {
    let desk = desk();
    desk.bundle();
    fs::create_dir_all(desk.path("elsewhere/stick")).unwrap();
    for bundle in ["dc1-base-000001", "../medium/dc1-base-000001"] {
        let commands = [
            format!("inspect {bundle}"),
            format!("verify {bundle} --builder ../online/builder.key.pub"),
            format!("protect {bundle} --recovery 5%"),
            format!("copy {bundle} stick --again --allow-folder"),
            format!("recut {bundle} --volumes 1 --out again"),
        ];
        for command in commands {
            follow_online(&desk, "elsewhere", &format!("gapferry {command}")).ok();
        }
    }
    follow_online(&desk, "elsewhere", "gapferry confirm ../medium/dc1-base-000001").ok();
    let known = follow_online(&desk, "elsewhere", "gapferry confirm dc1-base-000001");
    known.says(Exit::NothingNew, &["dc1-base-000001 is known to have arrived"]);
}

#[test]
fn a_name_that_is_nowhere_is_answered_with_where_it_was_looked_for() {
    let desk = desk();
    let bundle = desk.bundle();
    publish(&desk, "2");
    desk.bundle();
    fs::remove_dir_all(&bundle).unwrap();
    let here = desk.path("online/dc1-base-000001");
    let places = [here.to_str().unwrap(), bundle.to_str().unwrap()];
    for command in ["inspect dc1-base-000001", "copy dc1-base-000001 .", "protect dc1-base-000001 --recovery 5%"] {
        follow_online(&desk, "online", &format!("gapferry {command}")).says(Exit::Usage, &places);
    }
    // The workspace remembers it, unless it was signed by somebody else later.
    follow_online(&desk, "online", "gapferry recut dc1-base-000001 --out .").ok();
    publish(&desk, "3");
    desk.run("export online/selection.toml --out medium --unsigned --workspace online/workspace").ok();
    fs::remove_dir_all(desk.path("medium/dc1-base-000003")).unwrap();
    let recut = follow_online(&desk, "online", "gapferry recut dc1-base-000003 --out .");
    recut.says(Exit::Usage, &["online/dc1-base-000003", "only if they were signed when they were exported"]);
    let never = desk.path("elsewhere");
    fs::create_dir(&never).unwrap();
    for command in ["recut dc1-base-000001 --out .", "confirm dc1-base-000001", "recut medium/dc1-base-000002 --out ."]
    {
        let ended = desk.run(&format!("{command} --workspace elsewhere"));
        ended.says(Exit::Usage, &["this workspace made no bundle", "elsewhere", "is --workspace right?"]);
    }
}
