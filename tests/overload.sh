#!/usr/bin/env bash
# Slow clients, a crowd at the login and more work than there is time for, against the release
# build on this machine: what a browsing customer notices. Needs wrk and slowhttptest (Debian has
# both), python3, and root for the browsing customer's clock: it is never kept waiting by the load, which has
# the lowest priority, as if it came from elsewhere. Each part is bounded in time and count.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BINARY:-${CARGO_TARGET_DIR:-target}/release/electron-market}
here=$(mktemp -d); port=8398; url=http://127.0.0.1:$port
ulimit -n "$(ulimit -Hn)"
export ELECTRON_MARKET_DATA_DIR=$here/shop
awk 'BEGIN {for (n = 1; n <= 5000; n++) printf "{\"title\": \"Product %d\", \"category\": \"All\", \"description\": \"%0300d\", \"price\": \"9.90\", \"quantity\": 9}\n", n, n}' >"$here/rows.jsonl"
"$binary" import "$here/rows.jsonl" >/dev/null 2>&1
"$binary" serve --listen 127.0.0.1:$port --rate-limits off --log error >"$here/out" 2>"$here/log" & pid=$!
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf "$here"' EXIT
until curl -fs $url/readyz >/dev/null; do sleep 0.1; done

rss() { awk '/VmRSS/ {print int($2 / 1024) " MiB"}' "/proc/$pid/status"; }
cat >"$here/browse.lua" <<'LUA'
function delay() return 5 end
LUA
# Browsing: 8 connections, each 5 ms after its last answer; p99, requests a second, errors.
browse() {
  chrt -f 1 wrk -t1 -c8 -d"$1"s --latency -s "$here/browse.lua" $url/products/detail/1/ |
    awk '/99%/ {p99 = $2} /Requests\/sec/ {rate = $2} /Socket errors|Non-2xx/ {errors = errors $0}
         END {printf "p99 %s, %s requests/s%s", p99, rate, errors}'
}
say() { printf '%-44s %s, RSS %s\n' "$1" "$2" "$(rss)"; }

say "browsing alone" "$(browse 8)"
for kind in H B X; do
  case $kind in
    H) name="10,000 slow heads"; flags="-H -u $url/" ;;
    B) name="10,000 slow bodies"; flags="-B -t POST -u $url/auth/login/ -s 8192" ;;
    X) name="10,000 slow readers"; flags="-X -u $url/products/products/?limit=1000 -w 10 -y 20 -n 5 -z 32" ;;
  esac
  # shellcheck disable=SC2086
  timeout 30 nice -n 19 slowhttptest $flags -c 10000 -r 2000 -i 2 -l 20 -p 5 >/dev/null 2>&1 & slow=$!
  sleep 6
  open=$(ss -tn state established "( sport = :$port )" | wc -l)
  say "beside $name ($open open)" "$(browse 8)"
  kill "$slow" 2>/dev/null || true; wait "$slow" 2>/dev/null || true
  sleep 2
done

cat >"$here/login.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"username": "nobody", "password": "a wrong password"}'
-- Who is told to come again does so after about as long as Retry-After says.
function delay() return 500 + math.random(1000) end
LUA
timeout 14 nice -n 19 wrk -t1 -c1000 -d12s -s "$here/login.lua" $url/auth/login/ >/dev/null & logins=$!
sleep 2
say "beside 1,000 who sign in, again and again" "$(browse 8)"
wait "$logins" || true

# Goodput of the dearest read: as many as it can, then five times as many for a minute.
cat >"$here/count.lua" <<'LUA'
local threads = {}
local pause = 0
function setup(thread) table.insert(threads, thread) end
function init(args) good = 0; busy = 0; other = 0; pause = tonumber(args[1] or 0) end
function delay() return pause end
function response(status)
  if status == 200 then good = good + 1 elseif status == 503 then busy = busy + 1 else other = other + 1 end
end
function done(summary)
  local g, b, o = 0, 0, 0
  for _, thread in ipairs(threads) do
    g = g + thread:get("good"); b = b + thread:get("busy"); o = o + thread:get("other")
  end
  local s = summary.duration / 1e6
  io.write(string.format("counted %.0f answered/s, %.0f told to come again/s, %d others\n", g / s, b / s, o))
end
LUA
# Here the shop has the first core and the load the others: what is refused must not be a matter
# of who of the two gets a core.
taskset -acp 0 "$pid" >/dev/null
# Connections, seconds, milliseconds that each waits before it asks again.
flood() {
  taskset -c "1-$(($(nproc) - 1))" wrk -t1 -c"$1" -d"$2"s -s "$here/count.lua" "$url/products/products/?limit=1000" -- "$3" |
    awk '/^counted/ {sub("counted ", ""); print}'
}
peak=$(flood 64 10 0)
say "lists, as many as can be" "$peak"
capacity=$(awk '{print $1}' <<<"$peak")
crowd=3000
say "lists, five times as many, a minute" "$(flood $crowd 60 $((crowd * 1000 / (5 * capacity))))"
say "afterwards" "$(browse 5)"

# The same shop with its limits on: 5,000 readers of ten other addresses who take next to nothing.
kill "$pid"; wait "$pid" || true
"$binary" serve --listen 127.0.0.1:$port --log error >"$here/out" 2>>"$here/log" & pid=$!
until curl -fs $url/readyz >/dev/null; do sleep 0.1; done
cat >"$here/browse.lua" <<'LUA'
function delay() return 50 end
LUA
say "browsing within the limits" "$(browse 8)"
cat >"$here/readers.py" <<'PY'
import socket, sys, time
readers = []
for n in range(5000):
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.bind((f"127.0.1.{n % 10 + 1}", 0))
    reader.connect(("127.0.0.1", int(sys.argv[1])))
    reader.sendall(b"GET /products/products/?limit=1000 HTTP/1.1\r\nHost: shop\r\n\r\n")
    readers.append(reader)
time.sleep(24)
PY
timeout 40 nice -n 19 python3 "$here/readers.py" $port & slow=$!
sleep 14
open=$(ss -tn state established "( sport = :$port )" | wc -l)
say "beside 5,000 readers elsewhere ($open open)" "$(browse 8)"
kill "$slow" 2>/dev/null || true; wait "$slow" 2>/dev/null || true
grep -c panicked "$here/log" || true
