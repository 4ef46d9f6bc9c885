//! File systems that are not what a bundle or a site needs: plain ISO 9660, exFAT under a site, one that is out of inodes, one
//! that says that nothing is free. Needs root and loop devices.

use gapferry::cli::Exit;
use gapferry::upstream::Upstream;

use super::{Carrier, exits, says};
use crate::support::desk::{Desk, Ended};

fn script(text: &str) -> Option<Ended> {
    Carrier::new().script("file systems", text)
}

/// The names are those of the image itself (`mount -o map=off`), and in lower case, as Linux shows them by default.
#[test]
fn plain_iso_9660_is_named_as_the_reason() {
    let Some(ended) = script(
        "genisoimage -quiet -iso-level 1 -o plain.iso medium 2>/dev/null; genisoimage -quiet -R -J -o good.iso medium\n\
         unpack() { image=$1 dir=$2; shift 2; isoinfo -i $image $* -f | while read f; do case $f in\n\
             *.*|*SUMS) mkdir -p $dir$(dirname $f); isoinfo -i $image $* -x $f >$dir$f;; esac; done; }\n\
         unpack plain.iso upper; unpack good.iso good -R; (cd upper; find . -type f) | while read f; do\n\
             l=lower/$(echo ${f%;1} | tr A-Z a-z); mkdir -p $(dirname $l); cp upper/$f $l; done\n\
         ls upper/* lower/* good/* >&2; for d in upper lower; do import $d; import $d/*; done; import gone; import good",
    ) else {
        return;
    };
    let words = ["\"MANIFEST.JSO;1\"", "\"manifest.jso\"", "gone is not a folder that is here: mount the medium"];
    says(&ended, &["2", "2", "2", "2", "2", "0"], &words);
    assert_eq!(ended.err.matches("plain ISO 9660").count(), 4, "{}", ended.err);
}

#[test]
fn missing_signature_is_a_bad_copy_first() {
    let carrier = Carrier::new();
    let desk = &carrier.desk;
    std::fs::remove_file(desk.path("medium/dc1-base-000001/manifest.json.sig")).unwrap();
    desk.run("import medium/dc1-base-000001 --site site").says(
        Exit::VerificationFailed,
        &["copy the bundle again", "sign it there, where the builder's key is: `ssh-keygen -Y sign"],
    );
}

/// exFAT has neither hard links nor symbolic ones: published files are copies, and `current` is a file.
#[test]
fn site_works_on_a_file_system_without_links() {
    let mut carrier = Carrier::new();
    carrier.next("package-late");
    let Some(ended) = carrier.script(
        "a site on exFAT",
        "truncate -s 64M exfat.img; mkfs.exfat exfat.img >/dev/null; loop=$(losetup -f --show exfat.img); mkdir stick\n\
         mount.exfat-fuse $loop stick >/dev/null 2>&1 || exit 9\n\
         S='--site stick/site'\n\
         try gapferry site init stick/site --name dc1 --builder online/builder.key.pub --keyring demo=keyring.gpg\n\
         for site in site stick/site; do gapferry import $B --dry-run --json --site $site >$site.json; done\n\
         grep -ho 'needed.: *[0-9]*' site.json stick/site.json\n\
         try gapferry import medium/dc1-base-000001 $S --quiet; try gapferry import medium/dc1-base-000002 $S --quiet\n\
         test -f stick/site/current || exit 9; try gapferry status $S; try gapferry site check $S\n\
         try gapferry setup apt $S --serve-url http://gap.test --out texts/; try gapferry receipt $S --out receipt.txt\n\
         try gapferry rollback $S; try gapferry gc --keep 1 $S; try gapferry site check $S\n\
         find stick/site/generations -name '*.deb' | wc -l\n\
         gapferry serve $S --listen 127.0.0.1:0 >serve.log 2>&1 & server=$!\n\
         await http://127.0.0.1 serve.log; url=$(grep -o 'http://127.0.0.1:[0-9]*' serve.log | head -1)\n\
         curl -sf $url/apt/demo/dists/stable/InRelease | head -1; pkill -P $server; kill $server; wait $server\n\
         umount stick; losetup -d $loop",
    ) else {
        return;
    };
    let words = ["PGP SIGNED MESSAGE", "stick/site/generations/2/keys/site.asc"];
    says(&ended, &["0"; 10], &words);
    let needed = |line: &str| line.strip_prefix("needed\":").map(|number| number.trim().parse::<u64>().unwrap());
    let needed: Vec<u64> = ended.out.lines().filter_map(needed).collect();
    assert!(needed[1] >= needed[0] + super::PACKAGES as u64 * 100_000, "the copies count: {needed:?}");
    assert!(ended.out.contains(&format!("\n{}\n", super::PACKAGES)), "one generation has its copies: {}", ended.out);
}

/// exFAT has `~`, `+` and `%` in names. It refuses a `:`, and takes `A` and `a` for the same.
#[test]
fn names_that_exfat_cannot_hold_are_named_with_the_way_out() {
    let desk = Desk::new();
    let mut bundles = Vec::new();
    for (folder, names) in
        [("good", &["x_1%3a2~3+4_all.deb"][..]), ("colon", &["y_1:2_all.deb"]), ("case", &["Name", "name"])]
    {
        std::fs::create_dir(desk.path(folder)).unwrap();
        names.iter().for_each(|name| std::fs::write(desk.path(folder).join(name), name).unwrap());
        desk.select_as(folder, &format!("[[files]]\nname = \"{folder}\"\nfrom = \"../{folder}\"\n"));
        bundles.push(desk.bundle().display().to_string());
    }
    desk.init(&[], "--allow-unsigned good --allow-unsigned colon --allow-unsigned case");
    let carrier = Carrier { desk, upstream: Upstream::new("Unused", &["amd64"]) };
    let Some(ended) = carrier.script(
        "a site on exFAT",
        &format!(
            "truncate -s 64M exfat.img; mkfs.exfat exfat.img >/dev/null; loop=$(losetup -f --show exfat.img); mkdir stick\n\
             mount.exfat-fuse $loop stick >/dev/null 2>&1 || exit 9\n\
             cp -r site stick/site; for bundle in {}; do try gapferry import $bundle --quiet --site stick/site; done\n\
             try gapferry site check --site stick/site; find stick/site/generations -name '*.deb'\n\
             mkdir ext; cp -r stick/site ext/site\n\
             for bundle in {} {}; do try gapferry import $bundle --quiet --site ext/site; done\n\
             umount stick; losetup -d $loop",
            bundles.join(" "),
            bundles[1],
            bundles[2]
        ),
    ) else {
        return;
    };
    let words = [
        "files/colon/y_1:2_all.deb cannot be published here: the file system of stick/site does not take the name",
        "files/case/name cannot be published here",
    ];
    says(&ended, &["0", "1", "1", "0", "0", "0"], &words);
    assert!(ended.out.contains("generations/1/files/good/x_1%3a2~3+4_all.deb"), "{}", ended.out);
}

#[test]
fn file_system_out_of_inodes_is_told_from_a_full_one() {
    let Some(ended) = script(
        "disk few size=50m,nr_inodes=24\n\
         try gapferry export online/selection.toml --out few/out --key online/builder.key --workspace few/ws --quiet",
    ) else {
        return;
    };
    says(&ended, &["7"], &["no inodes are left on its file system", "df -i"]);
}

/// Blocks that are reserved for root are not free, and root can write them: as with drivers that always say 0.
#[test]
fn copy_and_export_can_ignore_a_file_system_that_says_that_nothing_is_free() {
    let Some(ended) = script(
        "truncate -s 8M d.img; mkfs.ext2 -q -F -b 1024 -m 50 d.img; mkdir a; mount -o loop d.img a; head -c 4M /dev/zero >a/fill\n\
         [ $(stat -f -c %a a) = 0 ] || { stat -f a >&2; exit 9; }\n\
         copy $B a; copy $B a --ignore-free-space; diff -r $B a/$N -x MEDIUM.txt || exit 9; rm -r a/$N\n\
         straight() { try gapferry export online/selection.toml --out a --key online/builder.key --workspace other --quiet ${1:-}; }\n\
         straight; straight --ignore-free-space; import a; rm -r a/$N\n\
         head -c 3500000 /dev/zero >a/more; copy $B a --ignore-free-space --again",
    ) else {
        return;
    };
    assert_eq!(exits(&ended), ["7", "0", "7", "0", "0", "7"], "{}\n{}", ended.out, ended.err);
    assert!(ended.err.contains("--ignore-free-space") && ended.err.contains("does not take"), "{}", ended.err);
}
