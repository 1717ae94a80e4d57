#!/bin/sh
# Builds the bundle: dist/offramp-VERSION-SYSTEM-MACHINE, with its own Python and all libraries.
#
# A bundle runs on systems as new as the one it was built on, and newer: release it from Debian 12,
# whose own Python is taken there (apt: python3.11 python3.11-venv libpython3.11). PYTHON names
# another one; it must have a shared libpython.
set -eu
cd "$(dirname "$0")/../.."

folder=.cache/bundle
log=$folder/build.log
again="make bundle"
. packaging/environment.sh

if [ -z "${PYTHON:-}" ] && [ -x /usr/bin/python3.11 ]; then
    PYTHON=/usr/bin/python3.11
fi
mkdir -p "$folder"
: >"$log"
choose_pip_cache
find_python
venv=$folder/venv
key="$(version_of "$python") $(cat constraints/app.txt constraints/build.txt constraints/bundle.txt "$0" | cksum)"
if [ "$(cat "$venv/offramp-stamp" 2>/dev/null)" != "$key" ]; then
    echo "Making the environment to build with in $venv ($python)."
    make_environment "$venv"
    install_packages "$venv" constraints/app.txt
    logged "installing PyInstaller" "$venv/bin/python" -m pip install \
        --require-hashes --only-binary :all: --no-deps -r constraints/bundle.txt
    echo "$key" >"$venv/offramp-stamp"
fi

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/offramp_core/__init__.py)
case $(uname -s) in
    Darwin) system=macos ;;
    *) system=$(uname -s | tr '[:upper:]' '[:lower:]') ;;
esac
name=offramp-$version-$system-$(uname -m)
bundle=dist/$name
mkdir -p dist
echo "Building $bundle: a minute or two (log: $log)."
# No byte code of this machine's paths, and the same hashes in every process.
export PYTHONHASHSEED=0 BUNDLE_NAME="$name"
logged "building the bundle" "$venv/bin/python" -m PyInstaller --noconfirm --clean --log-level WARN \
    --distpath dist --workpath "$folder/work" packaging/bundle/offramp.spec
ln -s offramp "$bundle/offramp-daemon"
cp LICENSE "$bundle/LICENSE"
if [ "$system" = linux ]; then
    sed "s/@VERSION@/$version/" packaging/bundle/install.sh >"$bundle/install.sh"
fi
"$venv/bin/python" packaging/bundle/licenses.py "$bundle"
"$bundle/offramp" --version >/dev/null
echo "Built $bundle: $(du -sm "$bundle" | cut -f 1) MB, $("$bundle/offramp" --version)."
