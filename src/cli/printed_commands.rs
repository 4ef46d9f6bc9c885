//! Parses all commands that messages print.

use std::path::Path;

use crate::next_command::*;
use crate::numbers::VolumeNumber;

/// One of each, with paths that need quotes.
fn all() -> Vec<ShellCommand> {
    let (path, odd) = (Path::new("/srv/my site"), Path::new("-x"));
    vec![
        recut(odd, None, path, Some(path)),
        recut_elsewhere(
            "dc1-base-000002",
            Some(LostVolumes { packing: "0c10e1453cb5", numbers: &VolumeNumber::all().skip(1).take(2).collect() }),
        ),
        repack(PackingName { bundle: "dc1-base-000002", id: "0c10e1453cb5" }, 4_000_000_000, path, Some(path)),
        answer_request("dc1-base-000002", path),
        confirm_receipt(path),
        confirm_older_receipt(odd, path),
        protect(path, Some(5), 2),
        protect(odd, None, 1),
        copy(path, &[path.to_owned(), odd.to_owned()], &["--allow-folder", "--ignore-free-space"], Some(odd)),
        import_here(path),
        import_approval(path),
        approve("dc1-base-000002"),
        heal_here(path),
        site_check(odd),
        site_repair(path),
        gc(path),
        receipt(path, &"base".parse().unwrap()),
        init(path),
        pin(path, "ubuntu"),
        pin_too(path, "ubuntu", path),
        status(path),
        rollback(odd),
        rollback_to(odd, 41),
        rollback_names(odd, 41, &[&"base".parse().unwrap()]),
        push(path),
        redate(path),
        rotate_key(odd),
        rotate_key_now(path),
        rotate_key_finish(path),
        trust_sign(odd),
        trust_show(path),
        serve(path, "0.0.0.0:80"),
        maas_apply(path, "http://gapferry.dc1.example"),
    ]
}

#[test]
fn the_command_line_accepts_every_command() {
    for command in all() {
        let parsed = super::command().try_get_matches_from(command.unquoted());
        assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
    }
    let text = include_str!("../next_command.rs");
    let made = text.lines().filter(|line| line.starts_with("pub(crate) fn ")).count();
    // protect is there twice; sign, make_private and restore_item_lists are no commands of gapferry's.
    assert_eq!(all().len() + 2, made, "a command is missing from this test");
}
