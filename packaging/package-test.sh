#!/bin/sh
# Proves the packages on bare Debian systems, one kind after the other; all of them unless given.
#
# Usage: package-test.sh [SUITE...] [pipx|uv|deb]...   (as in package-test.sh trixie deb)
set -eu
cd "$(dirname "$0")/.."

suites='' wheels='' debs=''
for argument in "$@"; do
    case "$argument" in
        pipx | uv) wheels="$wheels $argument" ;;
        deb) debs=yes ;;
        *) suites="$suites $argument" ;;
    esac
done
if [ -z "$wheels$debs" ]; then
    wheels='pipx uv' debs=yes
fi
status=0
# shellcheck disable=SC2086 # one argument a word
[ -z "$wheels" ] || sh packaging/wheel/test.sh $suites $wheels || status=1
# shellcheck disable=SC2086 # the same
[ -z "$debs" ] || sh packaging/deb/test.sh $suites || status=1
exit "$status"
