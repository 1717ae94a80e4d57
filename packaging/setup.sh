#!/bin/sh
# Makes .venv with the pinned packages and Offramp itself in it (editable), or leaves it as it is.
#
# The environment PYTHON, where set, names the Python to use. A stamp, written last, tells a
# finished environment from a half-made one, and holds what it was made from: other pins, another
# Python or another folder make a new one; another pyproject.toml installs Offramp anew.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/offramp-stamp
log=.cache/setup.log
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0

version_of() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || true
}

# Both texts notice changes; they guard nothing (the hashes in constraints/ do that).
environment_key() {
    printf 'environment %s %s\n' "$1" \
        "$({ pwd -P && cat packaging/setup.sh constraints/*.txt; } | cksum)"
}

project_key() {
    printf 'project %s\n' "$(cksum <pyproject.toml)"
}

# logged WHAT COMMAND...: run it into the log; when it fails, show the end and what to do.
logged() {
    what=$1
    shift
    if "$@" >>"$log" 2>&1; then
        return
    fi
    {
        echo
        tail -n 12 "$log"
        echo
        echo "Set-up stopped: $what failed (the whole story: $log)."
        if grep -qiE 'connection|timed out|resol|proxy|ssl' "$log"; then
            echo "The package index was out of reach. See to the network, to HTTPS_PROXY behind a"
            echo "proxy, or to pip's own settings (pip config list), then type make setup again."
        fi
    } >&2
    exit 1
}

# Without a writable home pip has no cache, and warns about it at every step.
choose_pip_cache() {
    if [ -z "${PIP_CACHE_DIR:-}" ] && [ ! -w "${HOME:-/nonexistent}" ]; then
        PIP_CACHE_DIR=$(pwd -P)/.cache/pip
        export PIP_CACHE_DIR
    fi
}

find_python() {
    if python=$(sh packaging/find-python.sh "${PYTHON:-}"); then
        return
    fi
    if [ -n "${PYTHON:-}" ]; then
        exit 1
    fi
    sh packaging/system-packages.sh python
    python=$(sh packaging/find-python.sh)
}

# Sets python and pip: the environment's own interpreter, and a pip command that installs into it.
make_environment() {
    rm -rf "$venv"
    if "$python" -c 'import venv; from ensurepip import version' 2>/dev/null; then
        logged "making $venv" "$python" -m venv "$venv"
        return
    fi
    # Debian ships venv's other half, ensurepip, apart. A pip of its own does as well.
    if "$python" -m venv --without-pip "$venv" >>"$log" 2>&1 &&
        "$python" -m pip --python "$venv/bin/python" --version >>"$log" 2>&1; then
        logged "installing pip" "$python" -m pip --python "$venv/bin/python" install \
            --require-hashes --no-deps --only-binary :all: -r constraints/build.txt
        return
    fi
    sh packaging/system-packages.sh venv \
        "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    rm -rf "$venv"
    logged "making $venv" "$python" -m venv "$venv"
}

install_packages() {
    # The build tools come first: one package has no wheel, and is built with the pinned
    # setuptools instead of whatever is newest.
    logged "installing the build tools" "$venv/bin/python" -m pip install \
        --require-hashes --only-binary :all: -r constraints/build.txt
    logged "installing the pinned packages" "$venv/bin/python" -m pip install \
        --require-hashes --no-build-isolation -r constraints/all.txt
}

install_offramp() {
    logged "installing Offramp into $venv" "$venv/bin/python" -m pip install \
        --no-deps --no-build-isolation -e .
    logged "checking that the pins fit pyproject.toml (make lock makes them anew)" \
        "$venv/bin/python" -m pip check
}

present=$(version_of "$venv/bin/python")
wanted=$present
if [ -n "${PYTHON:-}" ] || [ -z "$present" ]; then
    find_python
    wanted=$(version_of "$python")
fi

if [ -n "$present" ] && [ -f "$stamp" ] &&
    [ "$(head -n 1 "$stamp")" = "$(environment_key "$wanted")" ]; then
    if [ "$(tail -n 1 "$stamp")" = "$(project_key)" ]; then
        echo "Offramp is set up: .venv, Python $present."
        exit 0
    fi
    mkdir -p .cache
    : >"$log"
    rm -f "$stamp"
    echo "pyproject.toml has changed: installing Offramp anew."
else
    if [ -z "${python:-}" ]; then
        find_python
        wanted=$(version_of "$python")
    fi
    mkdir -p .cache
    : >"$log"
    choose_pip_cache
    echo "Setting Offramp up in .venv with Python $wanted ($python)."
    make_environment
    echo "Installing $(grep -c '==' constraints/all.txt) pinned packages; half a minute or so."
    install_packages
fi
install_offramp
{ environment_key "$wanted" && project_key; } >"$stamp"
echo "Offramp is set up: try .venv/bin/offramp --help."
