#!/bin/sh
# Prints the path of the Python to set Offramp up with; exits 1 where there is none that fits.
#
# Usage: find-python.sh [NAME-OR-PATH]
# Given a name, only that one is looked at, and what is wrong with it is said. Otherwise every
# Python on the PATH is tried by running it, since a version manager's shim may be there and not
# work. One that can make a virtual environment by itself goes before one that can't.
set -euf

range='3.11, 3.12, 3.13 or 3.14'
fitting='
import sys
if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit(1)
print(sys.executable)'
complete="import venv; from ensurepip import version
$fitting"

candidates() {
    for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
        IFS=:
        for folder in $PATH; do
            if [ -x "${folder:-.}/$name" ]; then
                printf '%s\n' "${folder:-.}/$name"
            fi
        done
        unset IFS
    done
}

# first_of CODE: the first candidate in which CODE ends well, as CODE prints it.
first_of() {
    candidates | while IFS= read -r candidate; do
        if "$candidate" -c "$1" </dev/null 2>/dev/null; then
            break
        fi
    done
}

if [ -n "${1:-}" ]; then
    if "$1" -c "$fitting" 2>/dev/null; then
        exit 0
    fi
    if version=$("$1" --version 2>/dev/null); then
        echo "PYTHON=$1 is $version; Offramp needs CPython $range." >&2
    else
        echo "PYTHON=$1 does not run; give the name or the path of a Python $range." >&2
    fi
    exit 1
fi

found=$(first_of "$complete")
if [ -z "$found" ]; then
    found=$(first_of "$fitting")
fi
if [ -z "$found" ]; then
    echo "No Python $range was found on the PATH." >&2
    exit 1
fi
printf '%s\n' "$found"
