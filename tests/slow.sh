#!/usr/bin/env bash
# The slow tier: the same tests with far more of everything. `tests/slow.sh` runs all of it,
# `tests/slow.sh kills backups` only these; `mutants`, two hours, only when it is named. What each found last is in tests/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

run() { echo "== $1"; shift; "$@" 2>&1 | grep -E "^test result|violations|believed|kills,|backups|places|index damages|operations|mutants tested|panicked|error" ; }

power_cuts() { run "power cuts" env POWER_CUTS="${POWER_CUTS:-100000}" cargo test --lib power_cuts -- --nocapture; }
damages() { run "damages" env DAMAGES="${DAMAGES:-100000}" cargo test --lib damage_is_refused -- --nocapture; }
index_damages() { run "index damages" env INDEX_DAMAGES="${INDEX_DAMAGES:-2000}" cargo test --lib index_damage -- --nocapture; }
kills() { run "kill -9" env KILLS="${KILLS:-1000}" cargo test --test it kill_nine -- --nocapture; }
backups() { run "backups" env BACKUPS="${BACKUPS:-200}" cargo test --test it open_shop_is_asked -- --nocapture; }
# Needs `cargo install cargo-mutants --locked --version 27.1.0`; it works on a copy of the tree.
mutants() { run "mutants" env -u CARGO_TARGET_DIR POWER_CUTS=400 DAMAGES=600 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 CARGO_PROFILE_DEV_DEBUG=0 cargo mutants --baseline skip --timeout 20 --build-timeout 240 -o "${CARGO_TARGET_DIR:-target}" -f 'src/shop/**' -f 'src/store/**' --cargo-arg=--locked -- --lib -- shop:: store:: || true; } # Survivors are no failure.
# In memory where there is room: it is the answers that are compared, not the disk.
model() { run "model" env TMPDIR="$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)" OPERATIONS="${OPERATIONS:-2000000}" cargo test --test it model -- --nocapture; }

families=("$@")
[ ${#families[@]} -gt 0 ] || families=(power_cuts damages index_damages kills backups model)
for family in "${families[@]}"; do "$family"; done
