#!/bin/bash
# Compares gapferry serve with nginx: the same files, on this machine, in one run, in turn; prints ratios.
#
#   benches/serve.sh [--rounds N] [COMPARISON]...
#
# small-50, small-500   requests a second for 200 files of 4 KiB, on 50 and on 500 connections that are kept
# large                 bytes a second of a file of 100 MB, whole, on 4 connections
# ranges                the same in ranges of 4 MiB, on 50 connections
# tls-small-50, tls-large   small-50 and large over TLS 1.3
# idle, tls-idle        memory with 2,000 idle connections, in KiB for each
#
# Both have the page cache full, two workers, and no access log. wrk is the client, on the same machine, so that it takes its
# share of the processors from both alike.
#
# Environment: BENCH_DIR, where to work (300 MB; /var/tmp/gapferry-bench); GAPFERRY, the program (built if not given);
# SECONDS_EACH, how long each measurement takes (5).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8

rounds=3
if [ "${1-}" = --rounds ]; then
    rounds=$2
    shift 2
fi
[ $# -gt 0 ] || set -- small-50 small-500 large ranges tls-small-50 tls-large idle tls-idle
seconds=${SECONDS_EACH:-5}
work=${BENCH_DIR:-/var/tmp/gapferry-bench}/serve
mkdir -p "$work"

say() { echo "benches/serve.sh: $*" >&2; }

install_peers() {
    local missing=() pair
    for pair in nginx:nginx-light openssl:openssl python3:python3 wrk:wrk; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} = 0 ] && return
    local install=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${missing[@]}")
    "${install[@]}" >&2 || { apt-get update -q >&2 && "${install[@]}" >&2; }
}

build_gapferry() {
    local folder=${CARGO_TARGET_DIR:-$here/../target}
    if [ -z "${GAPFERRY-}" ]; then
        cargo build --release --quiet --manifest-path "$here/../Cargo.toml"
        GAPFERRY=$folder/release/gapferry
    fi
}

# A site with one generation of 201 files. GAPFERRY makes it, so it has the layout that GAPFERRY reads.
make_site() {
    [ -e "$work/complete" ] && return
    rm -rf "$work"
    mkdir -p "$work/files"
    for n in $(seq 200); do head -c 4096 /dev/urandom >"$work/files/small_$n.deb"; done
    head -c 100000000 /dev/urandom >"$work/files/large.deb"
    printf 'site = "bench"\nname = "bench"\n[[files]]\nname = "bench"\nfrom = "files"\n' >"$work/selection.toml"
    {
        "$GAPFERRY" --quiet keygen "$work/builder.key"
        "$GAPFERRY" --quiet export "$work/selection.toml" --out "$work/medium" --allow-folder --key "$work/builder.key" \
            --workspace "$work/workspace"
        "$GAPFERRY" --quiet site init "$work/site" --name bench --builder "$work/builder.key.pub" --allow-unsigned bench
        "$GAPFERRY" --quiet import "$work/medium/bench-bench-000001" --site "$work/site"
    } >"$work/made.log"
    cat >"$work/small.lua" <<'LUA'
local n = 0
request = function() n = n % 200 + 1; return wrk.format("GET", "/files/bench/small_" .. n .. ".deb") end
LUA
    cat >"$work/ranges.lua" <<'LUA'
local n = 0
request = function()
    n = (n + 1) % 23
    local first = n * 4194304
    local range = "bytes=" .. first .. "-" .. (first + 4194303)
    return wrk.format("GET", "/files/bench/large.deb", { ["Range"] = range, ["If-Range"] = os.getenv("ETAG") })
end
LUA
    touch "$work/complete"
}

start_servers() {
    [ -e "$work/server.key" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -keyout "$work/server.key" -out "$work/server.pem" -days 3650 2>/dev/null
    # nginx's own defaults for files, but for the access log.
    cat >"$work/nginx.conf" <<CONF
worker_processes 2; daemon off; pid $work/nginx.pid; error_log $work/nginx.log;
worker_rlimit_nofile 16384;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; etag on; keepalive_timeout 75s; keepalive_requests 1000000;
  default_type application/octet-stream;
  server { listen 127.0.0.1:18431 backlog=4096; listen 127.0.0.1:18433 ssl backlog=4096; root $work/site/current;
    ssl_certificate $work/server.pem; ssl_certificate_key $work/server.key; ssl_protocols TLSv1.3; } }
CONF
    nginx -c "$work/nginx.conf" -p "$work" &
    nginx_pid=$!
    "$GAPFERRY" --quiet serve --site "$work/site" --listen 127.0.0.1:18432 --tls-listen 127.0.0.1:18434 \
        --tls-cert "$work/server.pem" --tls-key "$work/server.key" 2>"$work/gapferry.log" &
    gapferry_pid=$!
    trap 'kill "$nginx_pid" "$gapferry_pid" 2>/dev/null; wait 2>/dev/null' EXIT
    for _ in $(seq 100); do
        curl -sf -o /dev/null "http://127.0.0.1:18431/files/bench/small_1.deb" &&
            curl -sf -o /dev/null "http://127.0.0.1:18432/files/bench/small_1.deb" && return
        sleep 0.1
    done
    say "a server does not answer: $(cat "$work/gapferry.log" "$work/nginx.log")"
    exit 1
}

# url COMPARISON SERVER
url() {
    local scheme=http port=18431
    [ "$2" = nginx ] || port=18432
    case $1 in tls-*) scheme=https port=$((port + 2)) ;; esac
    echo "$scheme://127.0.0.1:$port"
}

# measure COMPARISON SERVER: one number, requests or bytes a second.
measure() {
    local url unit out tag
    url=$(url "$1" "$2")
    case ${1#tls-} in
    small-50) out=$(wrk -t2 -c50 -d"${seconds}s" -s "$work/small.lua" "$url") unit=Requests ;;
    small-500) out=$(wrk -t2 -c500 -d"${seconds}s" -s "$work/small.lua" "$url") unit=Requests ;;
    large) out=$(wrk -t2 -c4 -d"${seconds}s" "$url/files/bench/large.deb") unit=Transfer ;;
    ranges)
        tag=$(etag "$url/files/bench/large.deb")
        out=$(ETAG=$tag wrk -t2 -c50 -d"${seconds}s" -s "$work/ranges.lua" "$url") unit=Transfer
        ;;
    esac
    if grep -q -e 'Non-2xx' -e 'Socket errors' <<<"$out"; then say "$1 $2: $(grep -e Non-2xx -e 'Socket errors' <<<"$out")"; fi
    python3 -c '
import re, sys
text = re.search(sys.argv[1] + r"/sec:\s+([0-9.]+)([KMG]?)", sys.stdin.read())
print(float(text[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[text[2]])' "$unit" <<<"$out"
}

# The entity tag of a file. A file that may change under its name is sent whole, unless a client says of which file it wants a range.
etag() {
    local tag
    tag=$(curl -sfI "$1" | tr -d '\r' | sed -n 's/^etag: //Ip')
    [ "$(curl -s -o /dev/null -w '%{http_code}' -r 0-1 -H "If-Range: $tag" "$1")" = 206 ] || {
        say "$1: a range is not answered as one"
        exit 1
    }
    echo "$tag"
}

# Resident memory of a server and its workers, in KiB.
resident() {
    local pid total=0 pids
    if [ "$1" = nginx ]; then pids="$nginx_pid $(pgrep -P "$nginx_pid")"; else pids=$gapferry_pid; fi
    for pid in $pids; do total=$((total + $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"))); done
    echo "$total"
}

compare() {
    local round server
    for server in nginx gapferry; do : >"$work/$1.$server"; done
    for round in $(seq "$rounds"); do
        for server in nginx gapferry; do measure "$1" "$server" >>"$work/$1.$server"; done
    done
    python3 - "$1" "$work/$1.nginx" "$work/$1.gapferry" <<'PYTHON'
import statistics, sys
nginx, gapferry = (statistics.median(map(float, open(path))) for path in sys.argv[2:])
print(f"{sys.argv[1]:12} nginx {nginx:14.0f}  gapferry {gapferry:14.0f}  ratio {gapferry / nginx:.2f}")
PYTHON
}

compare_idle() {
    local server before
    for server in nginx gapferry; do
        before=$(resident "$server")
        python3 - "$(url "$1" "$server")" "$work/go" <<'PYTHON' &
import os, resource, socket, ssl, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
scheme, _, port = sys.argv[1].split(":")
def connect():
    plain = socket.create_connection(("127.0.0.1", int(port)))
    return ssl._create_unverified_context().wrap_socket(plain) if scheme == "https" else plain
held = [connect() for _ in range(2000)]
for one in held:
    one.sendall(b"GET /files/bench/small_1.deb HTTP/1.1\r\nHost: a\r\n\r\n")
    left = 4096
    while left > 0:
        left -= len(one.recv(65536))
open(sys.argv[2], "w").close()
time.sleep(3)
PYTHON
        local holder=$!
        while ! [ -e "$work/go" ]; do sleep 0.1; done
        python3 -c 'import sys; print(f"{sys.argv[4]:12} {sys.argv[1]:8} {(int(sys.argv[3]) - int(sys.argv[2])) / 2000:.1f} KiB a connection, {sys.argv[3]} KiB in all")' \
            "$server" "$before" "$(resident "$server")" "$1"
        wait "$holder"
        rm "$work/go"
    done
}

install_peers
build_gapferry
make_site
start_servers
for comparison; do
    case $comparison in
    idle | tls-idle) compare_idle "$comparison" ;;
    small-50 | small-500 | large | ranges | tls-small-50 | tls-large) compare "$comparison" ;;
    *)
        say "there is no comparison $comparison"
        exit 2
        ;;
    esac
done
echo "gapferry: $(awk '/^VmHWM/ { print $2 }' "/proc/$gapferry_pid/status") KiB of memory at most"
