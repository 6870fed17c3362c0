#!/usr/bin/env bash
# Kills the shop at every write and every sync of one checkout, one after the other, by strace; then
# opens it again and asks for the same order under the same key. Needs strace and curl.
set -euo pipefail
binary=${1:-target/debug/electron-market}
here=$(mktemp -d)
url=http://127.0.0.1:8397
trap 'rm -rf "$here"' EXIT
open() { # how to run it, its log
  "$@" "$binary" serve --data-dir "$here/shop" --listen 127.0.0.1:8397 --log error >"$here/out" 2>"$here/log" & pid=$!
  for _ in $(seq 200); do curl -fs $url/readyz >/dev/null && return 0; kill -0 "$pid" 2>/dev/null || return 0; sleep 0.05; done
}
stop() { pkill -TERM -P "$pid" 2>/dev/null || kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
ask() { curl -s -m 10 -w '\n%{http_code}' -H "Authorization: Bearer $token" "$@" || true; }

# A shop with a full cart.
printf 'the boss drinks tea\n' | "$binary" admin create --username boss --password-stdin --data-dir "$here/shop" >/dev/null
echo '{"title": "Phone", "category": "Phones", "price": "10.00", "quantity": 10}' > "$here/rows"
"$binary" import "$here/rows" --data-dir "$here/shop" >/dev/null 2>&1
open env
token=$(curl -s $url/auth/login/ -d username=boss -d 'password=the boss drinks tea' | sed 's/.*"access":"\([^"]*\)".*/\1/')
ask $url/cart/cart-add/ -d product_id=1 -d quantity=3 >/dev/null
kill "$pid"; wait "$pid" || true
cp -r "$here/shop" "$here/base"

killed=0 answered=0
for call in pwrite64 fdatasync; do
  for n in $(seq 1 80); do
    rm -rf "$here/shop"; cp -r "$here/base" "$here/shop"
    open strace -f -o /dev/null -e trace="$call" -e "inject=$call:signal=KILL:when=$n"
    first=$(ask -X POST $url/orders/create/ -H 'Idempotency-Key: once')
    alive=no; curl -fs $url/healthz >/dev/null && alive=yes
    stop
    open env
    again=$(ask -X POST $url/orders/create/ -H 'Idempotency-Key: once')
    [ "$(tail -1 <<<"$again")" = 201 ] || { echo "$call $n: the retry was answered $again"; exit 1; }
    if [ "$(tail -1 <<<"$first")" = 201 ]; then
      answered=$((answered + 1))
      [ "$first" = "$again" ] || { echo "$call $n: answered $first, then $again"; exit 1; }
    fi
    orders=$(ask $url/orders/list/ | head -1 | grep -o '"total_price"' | wc -l)
    stock=$(curl -s $url/products/detail/1/ | sed 's/.*"quantity":\([0-9]*\).*/\1/')
    [ "$orders" = 1 ] && [ "$stock" = 7 ] || { echo "$call $n: $orders orders, $stock left"; exit 1; }
    kill "$pid"; wait "$pid" || true
    "$binary" doctor --data-dir "$here/shop" >/dev/null
    [ $alive = yes ] && break
    killed=$((killed + 1))
  done
done
echo "strace: killed at $killed writes and syncs ($answered orders answered before), 0 lost, 0 made twice"
