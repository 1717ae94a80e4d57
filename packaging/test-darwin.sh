#!/bin/sh
# Runs the tests on Linux as on a Mac, as far as Python code can tell (tests/support/darwin), with a
# temporary folder whose path is as long as a Mac's (/private/var/folders/zz/.../T).
# tests/support/darwin/selection.py says which; those that are named run, whatever they are about.
#
# Usage: test-darwin.sh [ARGUMENT...], as pytest takes them.
set -eu
cd "$(dirname "$0")/.."

root=$(mktemp -d /tmp/m-XXXXXXXX)
trap 'rm -rf "$root"' EXIT
trap 'exit 130' HUP INT TERM
# For the tests that root runs as another user.
chmod 0755 "$root"
TMPDIR=$root/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T
mkdir -p "$TMPDIR"
export TMPDIR
PYTHONPATH=tests/support/darwin .venv/bin/python -m pytest -m "not e2e" -n auto "$@"
