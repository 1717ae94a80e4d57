#!/bin/sh
# Prints how the list of everything inside is named on this system, as the bundle is.
set -eu
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/offramp_core/__init__.py)
case $(uname -s) in
    Darwin) system=macos ;;
    *) system=$(uname -s | tr '[:upper:]' '[:lower:]') ;;
esac
echo "dist/offramp-$version-$system-$(uname -m).cdx.json"
