#!/bin/bash
# What a switch costs if one of five collections has changed, against a site that has that collection alone.
#
#   benches/switch.sh [--rounds N]
#
# Each collection has many small files, of which some in the first collection change in each round. Then both sites import
# their deltas, and roll them back, in turn: the first round begins with one site, the next with the other. An import reads and checks
# the item lists of all collections, and a rollback publishes and switches alone. Prints wall times, CPU times, and their ratios.
# A rollback may wait for up to a second, since dates of generations rise by the second: its CPU time counts.
#
# Environment: BENCH_DIR, where to work (6 GB; /var/tmp/gapferry-bench); GAPFERRY, the program (built if not given); FILES, how many
# files a collection has (100000); FILE_BYTES, how large each is (100); CHANGES, how many change in a round (100).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8
rounds=5
[ "${1-}" != --rounds ] || rounds=$2
files=${FILES:-100000}
file_bytes=${FILE_BYTES:-100}
changes=${CHANGES:-100}
work=${BENCH_DIR:-/var/tmp/gapferry-bench}/switch
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT

if [ -z "${GAPFERRY-}" ]; then
    cargo build --release --quiet --manifest-path "$here/../Cargo.toml"
    GAPFERRY=${CARGO_TARGET_DIR:-$here/../target}/release/gapferry
fi

# write COLLECTION COUNT STATE: gives the first files of a collection other bytes.
write() {
    python3 - "$work/$1" "$2" "$1-$3" "$file_bytes" <<'PYTHON'
import os, random, sys
folder, count, state, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
for number in range(count):
    below = f"{folder}/{number // 1000:03}"
    os.makedirs(below, exist_ok=True)
    with open(f"{below}/{number:06}", "wb") as file:
        file.write(random.Random(f"{state}-{number}").randbytes(size))
PYTHON
}

run() { "$GAPFERRY" --quiet "$@" >"$work/log"; }
newest() { find "$work/out" -mindepth 1 -maxdepth 1 -name "bench-$1-*" | sort | tail -1; }
export_next() { run export "$work/$1.toml" --out "$work/out" --key "$work/key" --workspace "$work/workspace-$1"; }

# timed SITE STEP ARGUMENT...: runs the program, and notes the wall time.
timed() {
    local site=$1 step=$2
    shift 2
    sync
    python3 "$here/measure.py" run "$work/results-$step" "$work/log" "$step" "$site" "$GAPFERRY" --quiet "$@" --site "$work/site-$site"
}

run keygen "$work/key"
for site in one five; do
    printf 'site = "bench"\nname = "%s"\n' "$site" >"$work/$site.toml"
    allowed=()
    for collection in a b c d e; do
        [ -d "$work/$collection" ] || write "$collection" "$files" 0
        printf '\n[[files]]\nname = "%s"\nfrom = "%s"\n' "$collection" "$collection" >>"$work/$site.toml"
        allowed+=(--allow-unsigned "$collection")
        [ "$site" != one ] || break
    done
    run site init "$work/site-$site" --name bench --builder "$work/key.pub" "${allowed[@]}"
done
sleep 3 # what has just changed is read again by the next export, since another change could bear the same time
for site in one five; do
    export_next "$site"
    run import "$(newest "$site")" --site "$work/site-$site"
done
order=(one five)
for round in $(seq "$rounds"); do
    write a "$changes" "$round"
    for site in one five; do
        run confirm "$(basename "$(newest "$site")")" --workspace "$work/workspace-$site"
        export_next "$site"
    done
    for site in "${order[@]}"; do timed "$site" import import "$(newest "$site")"; done
    for site in "${order[@]}"; do timed "$site" rollback rollback; done
    order=("${order[1]}" "${order[0]}")
done
python3 - "$work/results-import" "$work/results-rollback" <<'PYTHON'
import json, statistics, sys
for path in sys.argv[1:]:
    runs = [json.loads(line) for line in open(path)]
    middle = statistics.median
    print(f"{runs[0]['comparison']}, peak {max(run['peak'] for run in runs):.0f} MiB")
    for what in ("wall", "cpu"):
        one, five = ([run[what] for run in runs if run["contender"] == site] for site in ("one", "five"))
        ratios = [b / a for a, b in zip(one, five)]
        print(f"  {what:<5} one collection {middle(one):.2f} s, one of five {middle(five):.2f} s, "
              f"ratio {middle(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
PYTHON
