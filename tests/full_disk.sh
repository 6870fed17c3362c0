#!/usr/bin/env bash
# A real disk that gets full: a shop on a small tmpfs, filled up under its feet. Needs root (mount).
# Once with the space that is kept free by default, once down to the last byte.
set -euo pipefail
binary=${1:-target/debug/electron-market}
here=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; umount "$here" 2>/dev/null || true; rmdir "$here"' EXIT
mount -t tmpfs -o size=24m tmpfs "$here"

day() { # the space to keep free, in MiB
  local floor=$1 url=http://127.0.0.1:8399
  rm -rf "${here:?}"/*
  printf 'the boss drinks tea\n' | "$binary" admin create --username boss --password-stdin --data-dir "$here/shop" --min-free-mib 1 >/dev/null
  "$binary" serve --data-dir "$here/shop" --listen 127.0.0.1:8399 --min-free-mib "$floor" --log error >/dev/null 2>&1 & pid=$!
  for _ in $(seq 100); do curl -fs $url/readyz >/dev/null && break; sleep 0.05; done
  local token
  token=$(curl -s $url/auth/login/ -d username=boss -d 'password=the boss drinks tea' | sed 's/.*"access":"\([^"]*\)".*/\1/')
  say() { curl -s -o "$here/../reply.$$" -w '%{http_code}' -H "Authorization: Bearer $token" "$@"; }
  [ "$(say $url/products/create-category/ -d name=Phones)" = 201 ] || { echo "no category"; exit 1; }

  # Somebody else fills the disk, all but a little of it.
  local free; free=$(df --output=avail -B1 "$here" | tail -1)
  head -c $((free - floor * 1024 * 1024 / 2 - 20000)) /dev/zero > "$here/ballast" || true
  local refused=0 codes=""
  for n in $(seq 60); do
    status=$(say $url/products/create-product/ -d "title=Part $n" -d category=1 -d quantity=1 -d price=1.00 --data-urlencode "description=$(head -c 15000 /dev/zero | tr '\0' x)")
    case $status in
      201) ;;
      503) refused=$((refused + 1)); codes="$codes $(sed 's/.*"code":"\([^"]*\)".*/\1/' "$here/../reply.$$")" ;;
      *) echo "a write on a full disk was answered $status"; exit 1 ;;
    esac
    [ "$(say $url/products/products/?limit=1)" = 200 ] || { echo "reads do not go on"; exit 1; }
  done
  [ $refused -gt 0 ] || { echo "the disk was never full"; exit 1; }
  rm "$here/ballast"
  local began=$SECONDS
  until [ "$(say $url/products/create-category/ -d "name=After $SECONDS$RANDOM")" = 201 ]; do
    [ $((SECONDS - began)) -le 5 ] || { echo "not healed within 5 s"; exit 1; }
    sleep 0.1
  done
  kill "$pid"; wait "$pid"
  "$binary" doctor --data-dir "$here/shop" | tail -1
  echo "full disk, $floor MiB kept free: $refused writes refused ($(echo "$codes" | tr ' ' '\n' | sort | uniq -c | tr -s ' \n' ' ')), healed in $((SECONDS - began)) s"
}
day 4
day 0
rm -f "$here/../reply.$$"
