//! Media with bundles that cannot be imported: the true reason, whatever a folder is called, and never success for nothing.

use std::fs;
use std::path::Path;

use gapferry::cli::Exit;
use serde_json::{Value, json};

use super::Carrier;
use crate::support::desk::Desk;
use crate::support::snapshot::{contents_of, copy, difference};

const BUNDLE: &str = "dc1-base-000001";

/// A change to the bundle in a folder.
type Damage<'a> = dyn Fn(&Path) + 'a;

/// Names that say nothing, and one that names this site.
const NAMES: [&str; 3] = ["New folder", "dc1_base_000001", BUNDLE];

/// Runs `import` with these paths, with JSON; the site stays as it is if `--dry-run` is among the arguments.
fn import(desk: &Desk, paths: &[&Path], more: &[&str]) -> (i32, Value, String) {
    let before = more.contains(&"--dry-run").then(|| contents_of(&desk.path("site"), |path| path != Path::new("lock")));
    let mut command = desk.command("import --site site --json --quiet");
    let ended = crate::support::desk::end(command.args(paths).args(more));
    if let Some(before) = before {
        let after = contents_of(&desk.path("site"), |path| path != Path::new("lock"));
        assert_eq!(difference(&before, &after), None, "a dry run changed the site");
    }
    let value = ended.json();
    (ended.code, value, ended.err)
}

/// The error and its causes.
fn words(value: &Value) -> String {
    let causes = value["causes"].as_array().unwrap().iter().filter_map(Value::as_str);
    [value["error"].as_str().unwrap()].into_iter().chain(causes).collect::<Vec<_>>().join(": ")
}

/// A medium with one folder, which has the first bundle.
fn medium(desk: &Desk, name: &str, folder: &str) -> std::path::PathBuf {
    let medium = desk.path(name);
    let _ = fs::remove_dir_all(&medium);
    fs::create_dir(&medium).unwrap();
    copy(&desk.path("medium").join(BUNDLE), &medium.join(folder));
    medium
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    fs::write(path, change(fs::read_to_string(path).unwrap())).unwrap();
}

#[test]
fn genuine_bundles_are_imported_from_any_folder() {
    let carrier = Carrier::new();
    let desk = &carrier.desk;
    let medium = medium(desk, "stick", "New folder");
    let (code, value, _) = import(desk, &[&medium], &["--dry-run"]);
    assert_eq!((code, &value["bundles"]), (0, &json!([BUNDLE])));
    assert_eq!(value["checked"], json!(["signature", "policy", "space", "bytes", "proofs", "dates"]));
    let (code, value, _) = import(desk, &[&medium], &[]);
    assert_eq!((code, &value["bundles"], &value["generation"]), (0, &json!([BUNDLE]), &1.into()));
    for more in [&[][..], &["--dry-run"]] {
        assert_eq!(import(desk, &[&medium], more).0, i32::from(Exit::NothingNew.code()));
    }
}

#[test]
fn a_signature_that_is_not_good_is_the_reason_whatever_the_folder_is_called() {
    let carrier = Carrier::new();
    let desk = &carrier.desk;
    desk.run("keygen other.key").ok();
    let sign = |folder: &Path| {
        fs::remove_file(folder.join("manifest.json.sig")).unwrap();
        let mut command = std::process::Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", "gapferry-manifest", "-f"]).arg(desk.path("other.key"));
        crate::support::desk::end(command.arg(folder.join("manifest.json"))).ok();
    };
    let faults: [(&str, &str, &Damage<'_>); 4] = [
        ("lost", "has no manifest.json.sig", &|folder| fs::remove_file(folder.join("manifest.json.sig")).unwrap()),
        ("altered", "does not match: the file or the signature was altered", &|folder| {
            edit(&folder.join("manifest.json"), |text| text.replacen("\"epoch\": 1", "\"epoch\": 2", 1));
        }),
        ("damaged", "the signature is not an OpenSSH signature", &|folder| {
            edit(&folder.join("manifest.json.sig"), |text| text.replacen("U1NIU0lH", "U1NIU0lI", 1));
        }),
        ("unknown", "is not a trusted builder here", &|folder| sign(folder)),
    ];
    for (fault, reason, make) in faults {
        for name in NAMES {
            let medium = medium(desk, "stick", name);
            make(&medium.join(name));
            for path in [medium.clone(), medium.join(name)] {
                for more in [&[][..], &["--dry-run"]] {
                    let (code, value, err) = import(desk, &[&path], more);
                    let said = words(&value);
                    assert_eq!(code, 4, "{fault} {name}: {said}");
                    assert!(said.contains(reason) && said.contains(name), "{fault} {name}: {said}");
                    assert!(!err.contains("not for this site"), "{fault} {name}: {err}");
                }
            }
        }
    }
}

/// Makes a bundle for the site dc2, by the same builder or another one, in the folder `name` below `medium`.
fn for_another_site(desk: &Desk, medium: &Path, name: &str, key: &str) {
    let selection = fs::read_to_string(desk.path("online/selection.toml")).unwrap().replace("dc1", "dc2");
    fs::write(desk.path("online/other.toml"), selection).unwrap();
    let out = desk.path("out-of-dc2");
    let _ = fs::remove_dir_all(&out);
    desk.run(&format!("export online/other.toml --out out-of-dc2 --key {key} --workspace online/dc2 --force")).ok();
    let bundle = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
    fs::create_dir_all(medium).unwrap();
    fs::rename(bundle, medium.join(name)).unwrap();
}

#[test]
fn nothing_to_import_is_never_success() {
    let carrier = Carrier::new();
    let desk = &carrier.desk;
    let stick = desk.path("stick");
    for_another_site(desk, &stick, "dc1-base-000001", "online/builder.key");
    fs::create_dir(desk.path("empty")).unwrap();
    fs::create_dir_all(desk.path("half/dc1-base-000001.part")).unwrap();
    fs::write(desk.path("half/dc1-base-000001.part/manifest.json"), "{").unwrap();
    fs::write(desk.path("file"), "no folder").unwrap();
    let cases = [
        ("stick", Exit::Refused, "the bundle is for the site dc2, and this is dc1"),
        ("stick/dc1-base-000001", Exit::Refused, "the bundle is for the site dc2, and this is dc1"),
        ("empty", Exit::Usage, "there is no bundle to import in"),
        ("half", Exit::Usage, "there is no bundle to import in"),
        ("missing", Exit::Usage, "is not a folder that is here: mount the medium"),
        ("file", Exit::Usage, "is not a folder that is here"),
    ];
    for (path, exit, reason) in cases {
        for more in [&[][..], &["--dry-run"]] {
            let (code, value, _) = import(desk, &[&desk.path(path)], more);
            assert_eq!(code, i32::from(exit.code()), "{path}: {value}");
            assert!(words(&value).contains(reason) && words(&value).contains(path), "{path}: {value}");
        }
    }
    let (code, ..) = import(desk, &[&stick, &desk.path("empty")], &[]);
    assert_eq!(code, i32::from(Exit::Refused.code()));
}

#[test]
fn bundles_of_others_and_empty_media_do_not_stop_a_good_one() {
    let carrier = Carrier::new();
    let desk = &carrier.desk;
    desk.run("keygen other.key").ok();
    let stick = desk.path("stick");
    for_another_site(desk, &stick, "dc2-base-000001", "online/builder.key");
    for_another_site(desk, &stick, "of somebody", "other.key");
    fs::create_dir(desk.path("empty")).unwrap();
    let media = [stick.clone(), desk.path("empty"), desk.path("medium")];
    let paths: Vec<&Path> = media.iter().map(std::path::PathBuf::as_path).collect();
    let (code, value, err) = import(desk, &paths, &["--dry-run"]);
    assert_eq!((code, &value["bundles"]), (0, &json!([BUNDLE])), "{err}");
    let (code, value, err) = import(desk, &paths, &[]);
    assert_eq!((code, &value["bundles"]), (0, &json!([BUNDLE])), "{err}");
    let notes = [
        "dc2-base-000001 is not imported: the bundle is for the site dc2",
        "of somebody is not imported: signed by SHA256:",
        "which is not a trusted builder here",
        "empty has no bundle",
    ];
    notes.iter().for_each(|note| assert!(err.contains(note), "{note}: {err}"));
}

/// The operator wants a bundle that names this site, so a wrong signature must not end in success.
#[test]
fn an_altered_bundle_for_this_site_fails_the_import_after_the_good_ones() {
    let mut carrier = Carrier::new();
    carrier.next("package-x");
    let desk = &carrier.desk;
    fs::rename(desk.path("medium/dc1-base-000002"), desk.path("medium/New folder")).unwrap();
    edit(&desk.path("medium/New folder/manifest.json"), |text| text.replacen("\"created\"", "\"crEated\"", 1));
    let (code, value, err) = import(desk, &[&desk.path("medium")], &[]);
    assert_eq!(code, 4, "{value} {err}");
    assert!(words(&value).contains("New folder") && words(&value).contains("does not match"), "{value}");
    assert!(err.contains("dc1-base-000001 is published as generation 1"), "{err}");
}
