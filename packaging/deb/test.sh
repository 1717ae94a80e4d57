#!/bin/sh
# Proves the Debian package on bare systems: installed, set up by two users, upgraded under 20
# streams, and removed. proof.py says what is looked at.
#
# Usage: test.sh [SUITE...]   (bookworm trixie testing unless given)
# Needs root, debootstrap, a cgroup2 hierarchy, and an apt whose sources have Debian (or
# MIRROR=ADDRESS). Builds the package twice, once as 0.1.9. Systems and downloads stay in .cache/fresh.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/bare-system.sh disable=SC1091
. packaging/bare-system.sh

need debootstrap unshare nsenter dpkg-deb
choose_mirror package-test
# It is only unpacked again here.
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1

newer=$(make --no-print-directory deb | tee /dev/stderr | tail -n 1)
older=$(pwd -P)/.cache/fresh/older
rm -rf "$older"
copy_checkout "$older"
trap 'rm -rf "$older"' EXIT
mkdir -p "$older/.cache" .cache/bundle
ln -s "$(pwd -P)/.cache/bundle" "$older/.cache/bundle"
sed -i 's/^__version__ = ".*"/__version__ = "0.1.9"/' "$older/daemon/offramp_core/__init__.py"
sh "$older/packaging/bundle/build.sh"
sh "$older/packaging/deb/build.sh" "$older/dist/offramp-0.1.9-linux-$(uname -m)" dist/man dist/completions dist
.venv/bin/python packaging/deb/proof.py dist/offramp_0.1.9_*.deb "$newer" "$@"
