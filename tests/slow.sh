#!/usr/bin/env bash
# The slow tier: the same tests with far more of everything. `tests/slow.sh` runs all of it,
# `tests/slow.sh kills backups` only these; `other_durability`, `mutants`, two hours, and `fuzz`, which needs cargo-fuzz, only when they are named.
# What each found last is in tests/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

run() { echo "== $1"; shift; "$@" 2>&1 | grep -E "^test result|violations|believed|kills,|backups|places|others lost|index damages|operations|mutants tested|panicked|error" ; }

# Whatever asks the store, over the other setting of --durability.
other_durability() { run "durability store" env ELECTRON_MARKET_DURABILITY=store cargo test; }
power_cuts() { run "power cuts" env POWER_CUTS="${POWER_CUTS:-100000}" cargo test --lib power_cuts -- --nocapture; }
damages() { run "damages" env DAMAGES="${DAMAGES:-100000}" cargo test --lib damage_is_refused -- --nocapture; }
log_damages() { run "log damages" env DAMAGES="${DAMAGES:-100000}" cargo test --lib log_damage -- --nocapture; }
index_damages() { run "index damages" env INDEX_DAMAGES="${INDEX_DAMAGES:-2000}" cargo test --lib index_damage -- --nocapture; }
kills() { run "kill -9" env KILLS="${KILLS:-1000}" cargo test --test it kill_nine -- --nocapture; }
backups() { run "backups" env BACKUPS="${BACKUPS:-200}" cargo test --test it open_shop_is_asked -- --nocapture; }
# Needs `cargo install cargo-mutants --locked --version 27.1.0`; it works on a copy of the tree.
mutants() { run "mutants" env -u CARGO_TARGET_DIR POWER_CUTS=400 DAMAGES=600 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 CARGO_PROFILE_DEV_DEBUG=0 cargo mutants --baseline skip --timeout 20 --build-timeout 240 -o "${CARGO_TARGET_DIR:-target}" -f 'src/shop/**' -f 'src/store/**' --cargo-arg=--locked -- --lib -- shop:: store:: || true; } # Survivors are no failure.
# In memory where there is room: it is the answers that are compared, not the disk.
model() { run "model" env TMPDIR="$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)" OPERATIONS="${OPERATIONS:-2000000}" cargo test --test it model -- --nocapture; }

# Builds anew with coverage, some minutes, then runs each target of `src/fuzz` for FUZZ_SECONDS, or only those that FUZZ_TARGETS names.
# The committed corpus stays as it is; what is found new, and what breaks a target, lies in the target folder's `fuzz-corpus` and `fuzz-artifacts`.
fuzz() {
    if ! command -v cargo-fuzz > /dev/null; then
        echo "tests/slow.sh fuzz needs cargo-fuzz: cargo install cargo-fuzz --locked --version 0.13.2 (and a C++ compiler, such as g++)" >&2
        return 1
    fi
    local built seconds="${FUZZ_SECONDS:-60}" target folder log failed=0
    built="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
    # Coverage flags are nightly's to give; this compiler takes them when asked so.
    export RUSTC_BOOTSTRAP=1
    local flags=(--sanitizer none --codegen-units 16 --fuzz-dir tests/fuzz --target-dir "$built/fuzz")
    echo "== fuzz, $seconds s each"
    cargo fuzz build "${flags[@]}" 2>&1 | grep -E "^(warning|error)|Finished" || true
    for target in ${FUZZ_TARGETS:-$(cd tests/fuzz/targets && basename -s .rs ./*.rs)}; do
        folder="$built/fuzz-corpus/$target" log="$built/fuzz-$target.log"
        mkdir -p "$folder" "$built/fuzz-artifacts/$target" "$built/fuzz-tmp"
        if TMPDIR="$built/fuzz-tmp" cargo fuzz run "${flags[@]}" "$target" "$folder" "tests/fuzz/corpus/$target" -- \
            -max_total_time="$seconds" -timeout=25 -rss_limit_mb=4096 -artifact_prefix="$built/fuzz-artifacts/$target/" > "$log" 2>&1; then
            echo "$target: $(grep -oE "^Done [0-9]+ runs in [0-9]+ second" "$log")s, $(grep -oE "cov: [0-9]+ ft: [0-9]+" "$log" | tail -1), no finding"
        else
            failed=1
            echo "$target: A FINDING, see $log"
            grep -aE "panicked at|Test unit written|ERROR|deadly" "$log" | head -5 || true
        fi
        rm -rf "$built/fuzz-tmp"
    done
    return "$failed"
}

families=("$@")
[ ${#families[@]} -gt 0 ] || families=(power_cuts damages log_damages index_damages kills backups model)
for family in "${families[@]}"; do "$family"; done
