#!/bin/sh
# Makes .venv with the pinned packages and Offramp itself in it (editable), or leaves it as it is.
#
# The environment PYTHON, where set, names the Python to use. A stamp, written last, tells a
# finished environment from a half-made one, and holds what it was made from: other pins, another
# Python or another folder make a new one; another pyproject.toml installs Offramp again.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/offramp-stamp
log=.cache/setup.log
again="make setup"
. packaging/environment.sh

# Both texts notice changes; they guard nothing (the hashes in constraints/ do that).
environment_key() {
    printf 'environment %s %s\n' "$1" \
        "$({ pwd -P && cat packaging/setup.sh packaging/environment.sh constraints/*.txt; } | cksum)"
}

project_key() {
    printf 'project %s\n' "$(cksum <pyproject.toml)"
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
        sh packaging/system-packages.sh missing
        echo "Offramp is set up: .venv, Python $present."
        exit 0
    fi
    mkdir -p .cache
    : >"$log"
    rm -f "$stamp"
    echo "pyproject.toml has changed: installing Offramp again."
else
    if [ -z "${python:-}" ]; then
        find_python
        wanted=$(version_of "$python")
    fi
    mkdir -p .cache
    : >"$log"
    choose_pip_cache
    sh packaging/system-packages.sh desktop
    sh packaging/system-packages.sh tests
    echo "Setting Offramp up in .venv with Python $wanted ($python)."
    make_environment "$venv"
    echo "Installing $(grep -c '==' constraints/all.txt) pinned packages; half a minute or so."
    install_packages "$venv" constraints/all.txt
fi
install_offramp "$venv" -e .
{ environment_key "$wanted" && project_key; } >"$stamp"
echo "Offramp is set up: try .venv/bin/offramp --help."
