#!/bin/bash
# What patches save on real pairs: two versions of packages, images of two package sets, indexes of two architectures.
#
#   benches/patches.sh PACKAGE=OLD,NEW...      such as git=1:2.39.5-0+deb12u2,1:2.39.5-0+deb12u3
#
# Packages come from the host's own apt; a pair that it cannot download is named on stderr and left out, and then the exit code
# is 1. All pairs together also become two squashfs images per compressor, and two tar files. Each line is a name and what
# examples/patch_sizes.rs says of the pair: sizes in bytes, times in seconds.
#
# Environment: PATCH_SIZES, the program (built if not given); INDEXES, two more files to compare.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8
[ $# -gt 0 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }

if [ -z "${PATCH_SIZES-}" ]; then
    cargo build --quiet --release --manifest-path "$here/../Cargo.toml" --example patch_sizes
    PATCH_SIZES=${CARGO_TARGET_DIR:-$here/../target}/release/examples/patch_sizes
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skipped=0

compare() { echo "$1 $("$PATCH_SIZES" "$2" "$3")"; }

for pair in "$@"; do
    name=${pair%%=*}
    versions=${pair#*=}
    got=1
    for side in "old ${versions%%,*}" "new ${versions#*,}"; do
        mkdir -p "$work/${side%% *}-$name"
        (cd "$work/${side%% *}-$name" && apt-get download -qq "$name=${side#* }" 2>/dev/null) || got=0
    done
    if [ "$got" = 0 ]; then
        echo "benches/patches.sh: SKIPPED $name: apt cannot download both versions" >&2
        skipped=1
        continue
    fi
    compare "$name" "$work/old-$name"/*.deb "$work/new-$name"/*.deb
    for side in old new; do dpkg-deb -x "$work/$side-$name"/*.deb "$work/tree-$side"; done
done

[ -d "$work/tree-old" ] || exit 1
for compressor in none xz zstd lzo gzip; do
    compression=(-comp "$compressor")
    [ "$compressor" != none ] || compression=(-noI -noD -noF -noX)
    for side in old new; do
        mksquashfs "$work/tree-$side" "$work/sq-$side" "${compression[@]}" -noappend -quiet -no-progress -all-time 0 -mkfs-time 0 >/dev/null
    done
    compare "squashfs-$compressor" "$work/sq-old" "$work/sq-new"
done
for side in old new; do tar --sort=name --mtime=@0 -cf "$work/$side.tar" -C "$work/tree-$side" .; done
compare tar "$work/old.tar" "$work/new.tar"
if [ -n "${INDEXES-}" ]; then
    # Two paths, with a space between.
    read -r old new <<<"$INDEXES"
    compare indexes "$old" "$new"
fi
exit "$skipped"
