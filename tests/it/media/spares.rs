//! Recovery files on their way: beside their volumes, spare volumes apart, and what they are good for at the other end.

use serde_json::Value;

use super::{Carrier, says};

/// Makes recovery files. A small disk holds three volumes with theirs.
const PROTECT: &str = "gapferry protect $B --recovery 10% --spare-volumes 1 --quiet >&2\n\
    small() { disk $1 size=520k; }; big() { disk $1 size=10m; }; has() { (cd $1/$N/$P && echo $1 *.rec); }\n";

/// The lines of stdout that are JSON.
fn values(out: &str) -> Vec<Value> {
    out.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|value: &Value| value["outcome"].is_string())
        .collect()
}

/// The names of files of a packing, of which `value` has the paths in the bundle's folder.
fn files(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(name_in_packing).collect()
}

/// The name of a file, of which `value` has the path `packings/ID/NAME`.
fn name_in_packing(value: &Value) -> &str {
    let path = value.as_str().unwrap();
    match path.split('/').collect::<Vec<_>>()[..] {
        ["packings", id, name] if id.len() == 12 => name,
        _ => panic!("{path} is not the path of a file of a packing"),
    }
}

/// Over three media, one after the other. One volume that is lost is not missed then; four are.
#[test]
fn recovery_files_go_with_their_volumes_and_the_spare_goes_apart() {
    let text = format!(
        "{PROTECT}small a; big b; big c; big d\n\
         copy $B a b c --dry-run --json; copy $B a --json; copy $B b --json; copy $B b --json; copy $B c --json; copy $B c\n\
         for m in a b c; do (cd $m/$N && sha256sum --strict --quiet --ignore-missing -c SHA256SUMS) || exit 9; done\n\
         has a; has b; has c; cat c/$N/MEDIUM.txt online/workspace/audit.jsonl\n\
         rm a/$N/$P/volume-002.tar; import a c; import a b c --json"
    );
    let Some(ended) = Carrier::new().script("recovery files on media", &text) else { return };
    says(
        &ended,
        &["0", "6", "6", "6", "0", "0", "6", "0"],
        &[
            "\nb volume-004.rec",
            "\nc spare-001.rec\n",
            "0 of 7 volumes and 1 recovery file",
            "/spare-001.rec ",
            "here\n",
        ],
    );
    let values = values(&ended.out);
    let [dry, first, second, again, third, imported] = &values[..] else { panic!("{values:?}") };
    for value in [first, &dry["media"].clone()] {
        let medium = if value.is_array() { &value[0] } else { &value["media"][0] };
        let on = files(&medium["written"]);
        assert_eq!(on.iter().filter(|file| file.ends_with(".tar")).count(), 3, "{on:?}");
        assert_eq!(on.iter().filter(|file| file.ends_with(".rec")).count(), 3, "{on:?}");
    }
    assert_eq!(files(&dry["media"][2]["written"]), ["spare-001.rec"]);
    assert_eq!(files(&second["remaining"]), ["spare-001.rec"], "its medium must have no volumes");
    assert_eq!((&second["more"]["count"], &again["remaining"]), (&1.into(), &second["remaining"]));
    assert_eq!(third["remaining"], serde_json::json!([]));
    assert_eq!(files(&third["media"][0]["written"]), ["spare-001.rec"]);
    let label = third["media"][0]["label"].to_string();
    assert!(label.contains("0 of 7 volumes and 1 recovery file"), "{label}");
    assert_eq!(name_in_packing(&imported["repaired"][0]["volume"]), "volume-002.tar");
    let custody = ended.out.lines().find(|line| line.contains("\"event\":\"copied\"")).unwrap();
    assert!(custody.contains("volume-001.rec"), "{custody}");
}

#[test]
fn all_on_one_medium_has_the_spare_too_and_what_is_there_is_kept_or_replaced() {
    let text = format!(
        "{PROTECT}big a; copy $B a --json; cp -r a/$N keep; copy $B a --json\n\
         printf x | dd of=a/$N/$P/volume-002.rec bs=1 seek=5000 conv=notrunc status=none; truncate -s 100 a/$N/$P/spare-001.rec\n\
         rm a/$N/$P/volume-003.rec; copy $B a --json; diff -r keep a/$N -x MEDIUM.txt || exit 9\n\
         printf x | dd of=a/$N/$P/volume-001.rec bs=1 seek=5000 conv=notrunc status=none\n\
         import a"
    );
    let Some(ended) = Carrier::new().script("recovery files on one medium", &text) else { return };
    says(&ended, &["0", "0", "0", "0"], &["generation 1"]);
    let values = values(&ended.out);
    assert_eq!(values[0]["remaining"], serde_json::json!([]));
    assert_eq!(files(&values[0]["media"][0]["written"]).len(), 7 + 7 + 1);
    assert_eq!(files(&values[1]["media"][0]["kept"]).len(), 7 + 7 + 1);
    assert_eq!(files(&values[2]["media"][0]["written"]), ["volume-002.rec", "volume-003.rec", "spare-001.rec"]);
}

#[test]
fn recovery_files_that_have_rotted_do_not_keep_volumes_back() {
    let text = format!(
        "{PROTECT}printf x | dd of=$B/$P/volume-002.rec bs=1 seek=5000 conv=notrunc status=none; rm $B/$P/volume-003.rec\n\
         grep -v spare $B/SHA256SUMS >sums; cp sums $B/SHA256SUMS\n\
         small a; big b; copy $B a --json; copy $B b; has a; has b; import a b\n\
         gapferry protect $B --recovery 10% --spare-volumes 1 --quiet >&2\n\
         copy $B b; copy $B a --json; big c; copy $B c; has a; has c"
    );
    let Some(ended) = Carrier::new().script("recovery files that have rotted", &text) else { return };
    says(
        &ended,
        &["6", "6", "0", "6", "6", "0"],
        &[
            "volume-002.rec is not carried: it is damaged on this side; `gapferry protect medium/dc1-base-000001 --recovery ",
            "volume-003.rec is not carried: it is not beside its packing",
            "spare-001.rec is not carried: SHA256SUMS does not name it",
            "\na volume-001.rec\n",
            "needed: the media that have their volumes once more",
            "\na volume-001.rec volume-002.rec volume-003.rec\n",
            "\nc spare-001.rec\n",
        ],
    );
    let values = values(&ended.out);
    assert_eq!(values[0]["left_out"].as_object().unwrap().len(), 3);
    assert_eq!(files(&values[1]["media"][0]["written"]), ["volume-002.rec", "volume-003.rec"]);
}

/// Three volumes on a medium that is lost, three spare volumes on another one.
#[test]
fn a_lost_medium_is_replaced_by_that_of_the_spares() {
    let text = "gapferry protect $B --recovery 5% --spare-volumes 3 --quiet >&2\n\
        disk a size=500k; disk b size=10m; disk c size=10m; copy $B a b c; (cd c/$N/$P && ls)\n\
        rm -r a/$N; import b --dry-run; import b; gapferry status --site site; import b c --json; gapferry status --site site";
    let carrier = Carrier::new();
    let Some(ended) = carrier.script("a lost medium", text) else { return };
    let [first, last] = ["spare-001.rec", "spare-003.rec"].map(|file| carrier.in_packing(file));
    let written = format!("3 recovery files written and read back: {first} … {last}");
    let replaces = &format!("each of these replaces one: {first} on medium 3");
    says(&ended, &["0", "6", "6", "0"], &[&written, replaces]);
    assert!(ended.out.contains(replaces), "status says it too: {}", ended.out);
    let imported = &values(&ended.out)[0];
    let repaired: Vec<_> =
        imported["repaired"].as_array().unwrap().iter().map(|piece| name_in_packing(&piece["volume"])).collect();
    assert_eq!(repaired, ["volume-001.tar", "volume-002.tar", "volume-003.tar"]);
}
