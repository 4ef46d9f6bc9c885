#!/bin/bash
# What an export and an import cost when little has changed: a folder of many small files, of which none, some, or all changed.
#
#   benches/deltas.sh
#
# Prints wall time, CPU time and peak memory of each step, and ratios to the step that carries everything. A step "N changed" is
# export and import of a delta after `gapferry confirm`.
#
# Environment: BENCH_DIR, where to work (/var/tmp/gapferry-bench); GAPFERRY, the program (built if not given); FILES, how many
# files (100000); FILE_BYTES, how large each is (1024); CHANGES, how many of them change at each step (100 10000).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8
files=${FILES:-100000}
file_bytes=${FILE_BYTES:-1024}
work=${BENCH_DIR:-/var/tmp/gapferry-bench}/deltas
rm -rf "$work"
mkdir -p "$work/files"
trap 'rm -rf "$work"' EXIT

if [ -z "${GAPFERRY-}" ]; then
    cargo build --release --quiet --manifest-path "$here/../Cargo.toml"
    GAPFERRY=${CARGO_TARGET_DIR:-$here/../target}/release/gapferry
fi

# change FIRST LAST STATE: gives these files, counted from 0, other bytes.
change() {
    python3 - "$work/files" "$1" "$2" "$3" "$file_bytes" <<'PYTHON'
import os, random, sys
folder, first, last, state, size = sys.argv[1], *map(int, sys.argv[2:])
for number in range(first, last):
    below = f"{folder}/{number // 1000:03}"
    os.makedirs(below, exist_ok=True)
    with open(f"{below}/{number:06}", "wb") as file:
        file.write(random.Random(state * 10**9 + number).randbytes(size))
PYTHON
}

# timed STEP COMMAND...: one line of what it took; also the exit code 3, nothing new, is fine.
timed() {
    python3 - "$work" "$@" <<'PYTHON'
import os, subprocess, sys, time
work, step, *command = sys.argv[1:]
log, first = f"{work}/log", f"{work}/first-{step.split(',')[0]}"
with open(log, "wb") as file:
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=file, stderr=file)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
if os.waitstatus_to_exitcode(status) not in (0, 3):
    sys.exit(f"{step}: {open(log, errors='replace').read()[-2000:]}")
if not os.path.exists(first):
    open(first, "w").write(str(wall))
ratio = wall / float(open(first).read())
cpu = usage.ru_utime + usage.ru_stime
print(f"{step:<28} {wall:7.2f} s  {ratio:5.2f} of all  CPU {cpu:7.2f} s  peak {usage.ru_maxrss / 1024:6.0f} MiB", flush=True)
PYTHON
}

run() { "$GAPFERRY" --quiet "$@"; }
export_next() {
    timed "$1" "$GAPFERRY" --quiet export "$work/selection.toml" --out "$work/out" --key "$work/key" --workspace "$work/workspace"
}
newest() { find "$work/out" -mindepth 1 -maxdepth 1 -name 'bench-many-*' | sort | tail -1; }
import_newest() { timed "$1" "$GAPFERRY" --quiet import "$(newest)" --site "$work/site"; }

run keygen "$work/key" >/dev/null
run site init "$work/site" --name bench --builder "$work/key.pub" --allow-unsigned many >/dev/null
printf 'site = "bench"\nname = "many"\n\n[[files]]\nname = "many"\nfrom = "files"\n' >"$work/selection.toml"
change 0 "$files" 1
sleep 3 # what has just changed is read again by the next export, since another change could bear the same time
export_next "export, all of $files"
import_newest "import, all"
export_next "export, nothing changed"
state=2
for changed in ${CHANGES:-100 10000}; do
    run confirm "$(basename "$(newest)")" --workspace "$work/workspace" >/dev/null
    change 0 "$changed" $state
    state=$((state + 1))
    export_next "export, $changed changed"
    import_newest "import, $changed changed"
    du -sh "$(newest)" | cut -f1 | sed 's/^/  the bundle: /'
done
