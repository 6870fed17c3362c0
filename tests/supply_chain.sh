#!/usr/bin/env bash
# What is built in: known advisories (cargo-audit), licences, sources and double versions (cargo-deny).
# `ADVISORIES=folder` is the RustSec database unpacked; without it the archive beside the project is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "${ADVISORIES:-}" ]; then
    tar -xf ../shared/advisories/advisory-db.tar.xz -C "$scratch"
    ADVISORIES=$scratch
fi

# The one advisory: bincode is finished, not unsound; it is pinned, and named in src/store/codec.rs alone.
cargo audit --db "$ADVISORIES" --no-fetch --stale --deny warnings --ignore RUSTSEC-2025-0141

cargo fetch --locked # Those for other systems too: what they may not be is asked of all.
cargo deny --offline --config .config/deny.toml check licenses bans sources
