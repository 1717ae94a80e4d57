#!/bin/sh
# Proves the packages, one kind after the other, all of them unless given: the bundle here, the others on
# bare Debian systems.
#
# Usage: package-test.sh [SUITE...] [pipx|uv|deb|bundle]...   (as in package-test.sh trixie deb)
set -eu
cd "$(dirname "$0")/.."

suites='' wheels='' debs='' bundle=''
for argument in "$@"; do
    case "$argument" in
        pipx | uv) wheels="$wheels $argument" ;;
        deb) debs=yes ;;
        bundle) bundle=yes ;;
        *) suites="$suites $argument" ;;
    esac
done
if [ -z "$wheels$debs$bundle" ]; then
    wheels='pipx uv' debs=yes bundle=yes
fi
status=0
# shellcheck disable=SC2086 # one argument a word
[ -z "$wheels" ] || sh packaging/wheel/test.sh $suites $wheels || status=1
# shellcheck disable=SC2086 # the same
[ -z "$debs" ] || sh packaging/deb/test.sh $suites || status=1
[ -z "$bundle" ] || sh packaging/bundle/test.sh || status=1
exit "$status"
