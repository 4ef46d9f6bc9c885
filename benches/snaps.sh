# The comparisons of snaps with stock `snap download`; read by benches/compare.
# shellcheck shell=bash disable=SC2154 # work, target, port and the rest are compare's

# Four snaps of this many bytes each, and with them a base and snapd of some KiB.
snap_bytes=${SNAP_BYTES:-268435456}
snap_names="bulk-0 bulk-1 bulk-2 bulk-3 bulk-base snapd"
export snaps=$work/snaps-$snap_bytes snap_names

# Nobody but Canonical can sign what a gapferry of a release takes for a snap. So the one that is measured here is built as a
# release is, but with the feature test-roots and with debug assertions in its own code, without which that feature has no
# effect: it trusts the root of the tests' own store too.
build_with_test_roots() {
    [ -n "${GAPFERRY_ROOTS-}" ] && return
    cargo build --quiet --profile bench-roots --features test-roots --bin gapferry --manifest-path "$here/../Cargo.toml"
    GAPFERRY_ROOTS=${CARGO_TARGET_DIR:-$here/../target}/bench-roots/gapferry
}

install_snap() {
    command -v snap >/dev/null && return
    # Where no init runs, nothing is started; where one does, the daemon is not needed, and does no harm.
    local install=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends snapd)
    "${install[@]}" >&2 || { apt-get update -q >&2 && "${install[@]}" >&2; }
}

# The store: a site that has the snaps, served by the program itself. Exports and `snap download` ask the same server.
start_store() {
    if ! [ -e "$snaps/complete" ]; then
        say "generating 4 snaps of $snap_bytes bytes"
        rm -rf "$snaps"
        mkdir -p "$snaps/out"
        "$MAKE_UPSTREAM" snaps "$snaps/upstream" 4 "$snap_bytes" 1
        printf 'site = "bench"\nname = "store"\nvolume-size = "4 GB"\n\n[[snaps]]\nfrom = "%s"\n' "$snaps/upstream" >"$snaps/store.toml"
        "$GAPFERRY" export "$snaps/store.toml" --out "$snaps/out" --key "$work/key" --workspace "$snaps/workspace" >"$work/log"
        "$GAPFERRY" site init "$snaps/site" --name bench --builder "$work/key.pub" >"$work/log"
        "$GAPFERRY" import "$snaps"/out/* --site "$snaps/site" >"$work/log"
        rm -rf "$snaps/workspace" "$snaps/out"
        touch "$snaps/complete"
    fi
    [ -n "${store-}" ] && return
    "$GAPFERRY" serve --site "$snaps/site" --listen 127.0.0.1:0 2>"$work/serve.log" &
    store=$!
    local try
    for ((try = 0; try < 100; try++)); do
        store_url=$(sed -n 's/^listening on //p' "$work/serve.log")
        [ -n "$store_url" ] && break
        sleep 0.1
    done
    export store_url
    : "${store_url:?the store does not start: $(cat "$work/serve.log")}"
}

# The selection: each app by its name, from the store; what they need comes by itself.
select_snaps() {
    printf 'site = "bench"\nname = "snaps"\nvolume-size = "4 GB"\n' >"$work/snaps.toml"
    local name
    for name in $snap_names; do
        [[ $name = bulk-[0-9] ]] || continue
        printf '\n[[snaps]]\nname = "%s"\narchitectures = ["amd64"]\nstore-url = "%s"\n' "$name" "$store_url" >>"$work/snaps.toml"
    done
}

# Stock snap trusts Canonical's root alone. It downloads each snap, checks its SHA3-384, asks for the assertions, and then must
# end with one certain refusal: that it does not know the account of the tests' root. What that costs is in its time.
timed_snap() {
    mkdir -p "$target" && cd "$target"
    local name said
    for name in $snap_names; do
        if said=$(HOME=$target UBUNTU_STORE_ARCH=amd64 SNAPPY_FORCE_API_URL=$store_url SNAPPY_FORCE_SAS_URL=$store_url \
            snap download "$name" 2>&1); then
            echo "snap download $name: stock snap trusts the tests' root"
            return 1
        fi
        case $said in
        *"account (testsuite) not found"*) ;;
        *) echo "snap download $name: $said" && return 1 ;;
        esac
    done
}
timed_sha3() { openssl dgst -sha3-384 "$snaps"/upstream/*.snap; }

prepare_snaps-collect_gapferry() { mkdir -p "$target/out"; }
timed_snaps-collect_gapferry() { timed_export snaps --collect-only; }
prepare_snaps-collect_export() { mkdir -p "$target/out"; }
timed_snaps-collect_export() { timed_export snaps; }
prepare_snaps-import_gapferry() { "$GAPFERRY" site init "$target" --name bench --builder "$work/key.pub" >"$work/log"; }
timed_snaps-import_gapferry() { "$GAPFERRY" import "$work"/made-snaps/out/* --site "$target"; }
for comparison in snaps-collect snaps-import; do
    eval "
    prepare_${comparison}_snap() { :; }
    timed_${comparison}_snap() { timed_snap; }
    prepare_${comparison}_sha3() { :; }
    timed_${comparison}_sha3() { timed_sha3; }
    "
done

# Fails unless what `snap download` or an import left behind is what the store has.
check_snaps() {
    local folder name
    case $1 in
    *_snap) folder=$target ;;
    snaps-import_gapferry) folder=$target/current/snaps/store ;;
    *) return 0 ;;
    esac
    for name in $snap_names; do
        cmp "$snaps/upstream/${name}_1.snap" "$folder/${name}_1.snap" || { say "$1: $name is not what the store has"; exit 1; }
    done
}

# compare_snaps COMPARISON
compare_snaps() {
    if [ "$GAPFERRY" = none ]; then
        say "$1 needs gapferry, which is its store"
        return
    fi
    install_snap
    build_with_test_roots
    local -x GAPFERRY=$GAPFERRY_ROOTS
    start_store
    select_snaps
    case $1 in
    snaps-collect) compare "$1" gapferry export snap sha3 ;;
    snaps-import)
        make_bundle snaps
        rm -rf "$work/made-snaps/workspace"
        compare "$1" gapferry snap sha3
        ;;
    *)
        say "there is no comparison $1"
        exit 2
        ;;
    esac
}
