//! Media that are pulled, at every few reads and writes of every stage: the words say so, nothing is published, nothing is
//! called damaged, and the same command ends well when the medium is back.

use super::blocks::script;
use super::{exits, says};
use crate::support::desk::Ended;
use crate::support::sample::Sample;

/// `stick DIR` is a device that can be pulled: `arm DIR pread N COMMAND` does COMMAND at its read number N from now on; with
/// `out DIR`, that is the end of it until `plug DIR`. `cycles` tries a command with a stick that is pulled ever later, with
/// `before` before each and `after` when it is back.
const STICKS: &str = include_str!("../../../fixtures/media/sticks.sh");

fn sticks(what: &str, text: &str) -> Option<Ended> {
    let mut sample = Sample::new();
    let (stride, shift) = (sample.level.pick(4, 1), sample.below(1 << 20));
    let places = format!("STRIDE={stride} SHIFT={shift}");
    let ended = script(what, &format!("FS=ext2 {places}\n{STICKS}{text}\necho all is well >&2"))?;
    assert!(ended.err.contains("all is well"), "{}\n{}", ended.out, ended.err);
    Some(ended)
}

const GONE: &str = "cannot be read any more";

#[test]
fn while_an_import_reads() {
    let text = "stick a; copy $B a; after() { published || exit 8; }\n\
        cycles a pread 5 13 \"$(out a)\" take a; cycles a pread 14 12 \"$(out a); umount -l $PWD/a\" take a";
    let Some(ended) = sticks("an import whose medium is pulled", text) else { return };
    says(&ended, &["0"], &[GONE, "put the medium back, and run the same command again"]);
}

#[test]
fn while_a_bundle_is_verified() {
    let text = "stick a; copy $B a; check() { gapferry verify a/$N --builder online/builder.key.pub --quiet; }\n\
        cycles a pread 5 11 \"$(out a)\" check";
    let Some(ended) = sticks("a verification whose medium is pulled", text) else { return };
    says(&ended, &["0"], &[GONE]);
}

#[test]
fn while_a_copy_writes() {
    let text = "stick a; after() { diff -r $B a/$N -x MEDIUM.txt || exit 8; take a || exit 8; before; rm -r a/$N; }\n\
        cycles a pwrite 2 25 \"$(out a)\" give $B a --again";
    let Some(ended) = sticks("a copy whose medium is pulled", text) else { return };
    says(&ended, &[], &["does not take", "put it back or use another, and run the same command again"]);
}

#[test]
fn while_a_copy_is_read_back() {
    let text = "stick a; after() { diff -r $B a/$N -x MEDIUM.txt || exit 8; rm -r a/$N; }\n\
        cycles a pread 3 13 \"$(out a)\" give $B a --again\n\
        cycles a pread 12 12 \"$(out a); umount -l $PWD/a\" give $B a --again";
    let Some(ended) = sticks("a copy whose medium is pulled", text) else { return };
    says(&ended, &[], &["medium 1 in a cannot be read any more: put it back, and run the same command again"]);
}

#[test]
fn while_a_copy_reads_its_bundle() {
    let text = "stick s; cp -r $B s/; disk t size=10m; after() { diff -r $B t/$N -x MEDIUM.txt || exit 8; rm -r t/$N; }\n\
        cycles s pread 5 9 \"$(out s)\" give s/$N t --again";
    let Some(ended) = sticks("a copy whose source is pulled", text) else { return };
    says(&ended, &[], &["s/dc1-base-000001 cannot be read any more"]);
}

/// Pulled and put back as it is asked for, and pulled again while it is read.
#[test]
fn while_a_medium_that_was_put_back_is_read() {
    let text = "stick a; mkdir aside\n\
        for k in 0 3 21; do\n\
            t=120; [ $k -gt 0 ] || t=10 # for this one is not found again\n\
            : >said; rm -rf a/$N; gapferry copy $B a --again --after-reinsert --timeout $t --workspace online/workspace --quiet 2>>said & p=$!\n\
            await 'pull it' said; umount a; await 'is gone: put it back' said\n\
            mount -t ext2 $loop_a aside; [ $k = 0 ] || stat aside/$N/* >>nbd.log # so that it is found again\n\
            arm a pread $k \"$(out a)\"; mount --move aside a\n\
            wait $p; echo exit $? >&2; cat said >&2; [ -e a.fired ] || exit 8; plug a; copy $B a\n\
        done";
    let Some(ended) = sticks("a medium that is put back and pulled", text) else { return };
    says(
        &ended,
        &["1", "0", "1", "0", "1", "0"],
        &["was not put back within 10 seconds", "medium 1 in a cannot be read any more"],
    );
}

/// The program that serves the device dies, as when a hub loses its power.
#[test]
fn a_device_that_dies() {
    let text = "stick a; copy $B a; plug a; arm a pread 12 \"kill -9 $(pgrep -P $nbdfuse)\"\n\
        import a; [ -e a.fired ] || exit 8; published && exit 8; import medium";
    let Some(ended) = sticks("a device that dies", text) else { return };
    says(&ended, &["0", "1", "0"], &[GONE]);
}

/// Another process fills the stick while the bundle is written.
#[test]
fn a_stick_that_others_fill_meanwhile() {
    let text = "stick s; cp -r $B s/; disk t size=2m; plug s; arm s pread 20 \"dd if=/dev/zero of=$PWD/t/fill 2>/dev/null\"\n\
        copy s/$N t; [ -e s.fired ] || exit 8; ls -A t/$N; rm t/fill; copy s/$N t; diff -r $B t/$N -x MEDIUM.txt || exit 8; import t";
    let Some(ended) = sticks("a stick that is filled", text) else { return };
    says(&ended, &["7", "0", "0"], &["does not take packings/", "No space left", "run the same command again"]);
    assert_eq!(exits(&ended).len(), 3);
}
