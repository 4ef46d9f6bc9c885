//! Media that are pulled, at every few reads and writes of every stage: the words say so, nothing is published, nothing is
//! called damaged, and the same command ends well when the medium is back.

use super::blocks::script;
use super::{exits, says};
use crate::support::desk::Ended;
use crate::support::sample::Sample;

/// `stick DIR` is a device that can be pulled: `arm DIR pread N COMMAND` does COMMAND at its read number N from now on; with
/// `out DIR`, that is the end of it until `plug DIR`. `cycles` tries a command with a stick that is pulled ever later, with
/// `before` before each and `after` when it is back.
const STICKS: &str = r#"
cat >hook.sh <<'END'
d=$1; kind=$2
if [ ! -e $d.out ] && [ -e $d.$kind ]; then
    read n <$d.$kind
    if [ $n -le 0 ]; then rm $d.$kind; touch $d.fired; sh $d.do; else echo $((n-1)) >$d.$kind; fi
fi
if [ -e $d.out ]; then echo 'EIO pulled' >&2; exit 1; fi
END
stick() {
    d=$PWD/$1
    nbd $1 --filter=blocksize eval get_size='echo 8M' can_write='exit 0' can_flush='exit 0' flush=true \
        config_complete="truncate -s 8M $d.img" maxdata=32768 thread_model='echo serialize_all_requests' \
        pread="sh $PWD/hook.sh $d pread || exit 1; dd if=$d.img bs=512 skip=\$(( \$4 / 512 )) count=\$(( \$3 / 512 )) 2>/dev/null" \
        pwrite="sh $PWD/hook.sh $d pwrite || exit 1; dd of=$d.img bs=512 seek=\$(( \$4 / 512 )) conv=notrunc 2>/dev/null"
    eval "loop_$1=$loop"
}
out() { echo "touch $PWD/$1.out"; }
arm() { echo "$4" >$1.do; rm -f $1.fired; echo $3 >$1.$2; }
plug() {
    eval "l=\$loop_$1"; umount -l $1 2>/dev/null; rm -f $1.out $1.pread $1.pwrite
    n=0; while e2fsck -fy $l >>nbd.log 2>&1; [ $? -gt 3 ]; do sleep 0.1; n=$((n+1)); [ $n -lt 1200 ] || exit 9; done
    mount -t ext2 $l $1 || exit 9
}
published() { [ -e site/current/apt/demo/dists ]; }
# cycles DIR KIND FIRST STEP DO COMMAND...: of the places, each $STRIDE-th; $SHIFT moves those after the first.
cycles() {
    dir=$1 kind=$2 k=$3 step=$(($4 * STRIDE)) what=$5 next=$(($3 + 1 + SHIFT % ($4 * STRIDE))); shift 5; pulled=0
    while :; do
        before; plug $dir; arm $dir $kind $k "$what"
        "$@" >run.out 2>run.err; code=$?
        [ -e $dir.fired ] || break
        pulled=$((pulled+1)); echo "$kind $k: $code: $(grep error: run.err)" >&2
        if [ $code != 1 ]; then echo "WRONG CODE"; cat run.err; exit 8; fi
        if grep -q -e recut -e damaged run.err; then echo "WRONG WORDS"; cat run.err; exit 8; fi
        published && { echo PUBLISHED; exit 8; }
        plug $dir; "$@" >run.out 2>run.err || { echo "NOT AGAIN"; cat run.err; exit 8; }
        after; k=$next next=$((next+step))
    done
    [ $code = 0 ] || { echo "NOT WITHOUT"; cat run.err; exit 8; }
    echo "$pulled times pulled" >&2; [ $pulled -gt 1 ] || { echo "HARDLY PULLED"; exit 8; }
}
cp -r site fresh; before() { rm -rf site; cp -r fresh site; }; after() { :; }
take() { gapferry import "$@" --site site --quiet; }
give() { gapferry copy "$@" --workspace online/workspace --quiet; }
"#;

fn sticks(what: &str, text: &str) -> Option<Ended> {
    let mut sample = Sample::new();
    let (stride, shift) = (sample.level.pick(2, 1), sample.below(1 << 20));
    let places = format!("STRIDE={stride} SHIFT={shift}");
    let ended = script(what, &format!("FS=ext2 {places}\n{STICKS}{text}\necho all is well >&2"))?;
    assert!(ended.err.contains("all is well"), "{}\n{}", ended.out, ended.err);
    Some(ended)
}

const GONE: &str = "cannot be read any more";

#[test]
fn while_an_import_reads() {
    let text = "stick a; copy $B a; after() { published || exit 8; }\n\
        cycles a pread 5 13 \"$(out a)\" take a; cycles a pread 14 23 \"$(out a); umount -l $PWD/a\" take a";
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
        cycles a pread 12 23 \"$(out a); umount -l $PWD/a\" give $B a --again";
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
