#!/bin/sh
# Re-makes constraints/*.txt from pyproject.toml: one set of pins, with the hashes of every file of
# each release, that holds for every Python and system Offramp supports.
#
# Usage: lock.sh [OPTION...], passed on to `uv pip compile`. Pins that still fit stay as they are;
# `make lock ARGS=--upgrade` takes the newest. The index is pip's own (`pip config`); neither its
# address nor any path ends up in the files.
set -eu
cd "$(dirname "$0")/.."

uv_version=0.13.9
tools=.cache/lock
if [ ! -x "$tools/bin/uv" ] || [ "$("$tools/bin/uv" --version | cut -d ' ' -f 2)" != "$uv_version" ]; then
    echo "Fetching uv $uv_version into $tools."
    python=$(sh packaging/find-python.sh "${PYTHON:-}")
    "$python" -m venv --clear "$tools"
    "$tools/bin/python" -m pip install --quiet "uv==$uv_version"
fi

# pip_setting NAME: empty where pip has no such setting.
pip_setting() {
    "$tools/bin/python" -m pip config get "global.$1" 2>/dev/null || true
}
index=$(pip_setting index-url)
if [ -n "$index" ]; then
    export UV_DEFAULT_INDEX="$index"
fi
certificates=$(pip_setting cert)
if [ -n "$certificates" ]; then
    export SSL_CERT_FILE="$certificates"
fi

# compile OUTPUT SOURCE [OPTION...]
compile() {
    output=$1
    shift
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command "make lock" --output-file "$output" "$@"
}

mkdir -p constraints
compile constraints/build.txt packaging/build-tools.in "$@"
compile constraints/all.txt pyproject.toml --extra charts --extra dev --constraints constraints/build.txt "$@"
# What `make install` installs: the same pins, without the tools of development.
compile constraints/app.txt pyproject.toml --extra charts --constraints constraints/all.txt "$@"
# What `make bundle` needs besides.
compile constraints/bundle.txt packaging/bundle/build-tools.in --constraints constraints/all.txt \
    --constraints constraints/build.txt "$@"
sh packaging/check-tree.sh
grep -c '==' constraints/*.txt
