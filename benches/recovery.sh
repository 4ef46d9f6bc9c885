# The comparisons of recovery data with par2; read by benches/compare.
# shellcheck shell=bash disable=SC2154 # work, target and the rest are compare's

# A copy of the bundle of 1 GiB, to which recovery data may be added; volumes are shared, since nobody writes to them.
copy_bundle() {
    mkdir -p "$target" && cp -al "$work"/made-large/out/* "$target/bundle"
    local small
    for small in manifest.json manifest.json.sig SHA256SUMS VERIFY.txt; do
        cp --remove-destination "$(echo "$work"/made-large/out/*)/$small" "$target/bundle/$small"
    done
}
protect_bundle() { "$GAPFERRY" protect "$target/bundle" --recovery "5 %"; }
par2_create() { par2 create -q -q -r5 -n1 "$target/bundle/volumes.par2" "$target"/bundle/packings/*/volume-*.tar; }

# Gives 4 MiB in the middle of the volume other bytes, in a copy of its own.
damage_bundle() {
    local volume
    volume=$(echo "$target"/bundle/packings/*/volume-001.tar)
    cp --remove-destination "$(echo "$work"/made-large/out/*/packings/*/volume-001.tar)" "$volume"
    dd if=/dev/urandom of="$volume" bs=4M seek=100 count=1 conv=notrunc status=none
}

prepare_protect_gapferry() { copy_bundle; }
timed_protect_gapferry() { protect_bundle && sync -f "$target"; }
prepare_protect_par2() { copy_bundle; }
timed_protect_par2() { par2_create && sync -f "$target"; }

prepare_repair_gapferry() { copy_bundle && protect_bundle >/dev/null && damage_bundle; }
# All damage found and restored, in a file of its own, and checked: that exits with 4.
timed_repair_gapferry() { "$GAPFERRY" verify "$target/bundle" --builder "$work/key.pub" || [ $? = 4 ]; }
prepare_repair_par2() { copy_bundle && par2_create >/dev/null && damage_bundle; }
timed_repair_par2() { par2 repair -q -q "$target/bundle/volumes.par2"; }

compare_recovery() {
    make_archive large 8 134217728
    cp "$work/www/large/keyring.gpg" "$work/large.gpg"
    selection large stable
    [ -e "$work/made-large" ] || make_bundle large
    while read -r function; do export -f "${function?}"; done < <(declare -F | awk '$3 ~ /^(copy|damage|protect)_bundle$|^par2_create$/ { print $3 }')
    compare "$1" gapferry par2
}
