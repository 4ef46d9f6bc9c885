# The comparisons of image streams with sstream-mirror; read by benches/compare.
# shellcheck shell=bash disable=SC2154 # work, target, port and the rest are compare's

# make_stream NAME SERIAL...: a generated stream of the shape NAME, and gapferry's selection of it.
make_stream() {
    local name=$1
    [ -e "$work/www/$name/complete" ] || { say "generating $name" && "$MAKE_UPSTREAM" "$name" "$work/www/$name" "${@:2}"; }
    touch "$work/www/$name/complete"
    cat >"$work/$name.toml" <<TOML
site = "bench"
name = "$name"
volume-size = "4 GB"

[[images]]
name = "bench"
url = "http://127.0.0.1:$port/$name"
keyring = "$work/www/$name/keyring.gpg"
TOML
}

timed_sstream() {
    "$work/python/bin/sstream-mirror" --keyring="$work/www/$1/keyring.gpg" --max=1 "http://127.0.0.1:$port/$1/" "$target"
}

# The same files, copied and hashed: as much as any tool must do.
timed_copy() { cp -r "$work/www/$1" "$target" && find "$target" -type f -print0 | xargs -0 openssl dgst -sha256 >/dev/null && sync -f "$target"; }

for shape in images-large images-tiny; do
    eval "
    prepare_${shape}_gapferry() { mkdir -p \"\$target/out\"; }
    timed_${shape}_gapferry() { timed_export $shape --collect-only; }
    prepare_${shape}_export() { mkdir -p \"\$target/out\"; }
    timed_${shape}_export() { timed_export $shape; }
    prepare_${shape}_sstream() { :; }
    timed_${shape}_sstream() { timed_sstream $shape; }
    prepare_${shape}_copy() { :; }
    timed_${shape}_copy() { timed_copy $shape; }
    prepare_${shape}-again_gapferry() { prepare_${shape}_gapferry && timed_${shape}_gapferry >\"\$work/log\" 2>&1; }
    timed_${shape}-again_gapferry() { timed_${shape}_gapferry; }
    prepare_${shape}-again_sstream() { timed_${shape}_sstream >\"\$work/log\" 2>&1; }
    timed_${shape}-again_sstream() { timed_${shape}_sstream; }
    "
done

# 8 serials of the tiny shape: a products file of some 5 MB with 12,800 items.
prepare_images-list_gapferry() { :; }
timed_images-list_gapferry() { "$GAPFERRY" list-images "http://127.0.0.1:$port/images-list" --keyring "$work/www/images-list/keyring.gpg"; }
prepare_images-list_sstream() { :; }
timed_images-list_sstream() {
    "$work/python/bin/sstream-query" --keyring="$work/www/images-list/keyring.gpg" --max=1 \
        "http://127.0.0.1:$port/images-list/streams/v1/index.sjson"
}

# compare_images COMPARISON
compare_images() {
    "$here/../tests/install-python" "$work/python" >&2
    sources=("$work/www/${1%-again}")
    case $1 in
    images-large)
        make_stream images-large 20250718
        compare "$1" gapferry export sstream copy
        ;;
    images-tiny)
        make_stream images-tiny 20250718
        compare "$1" gapferry export sstream
        ;;
    images-large-again | images-tiny-again)
        make_stream "${1%-again}" 20250718
        compare "$1" gapferry sstream
        ;;
    images-list)
        if ! [ -e "$work/www/images-list/complete" ]; then
            "$MAKE_UPSTREAM" images-tiny "$work/www/images-list" 2025071{1,2,3,4,5,6,7,8}
            touch "$work/www/images-list/complete"
        fi
        compare "$1" gapferry sstream
        ;;
    *)
        say "there is no comparison $1"
        exit 2
        ;;
    esac
}
