#!/bin/sh
# Proves the bundle in dist/: what is in it, and upgrades under twenty streams.
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/offramp_core/__init__.py)
bundle=dist/offramp-$version-linux-$(uname -m)
[ -x "$bundle/offramp" ] || sh packaging/bundle/build.sh
OFFRAMP_BUNDLE=$PWD/$bundle exec .venv/bin/python -m pytest tests/packaging/test_bundle.py "$@"
