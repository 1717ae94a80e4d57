#!/bin/sh
# Runs `offramp uninstall` of the Offramp that `make install` installed, with the arguments given.
set -eu

case "${XDG_DATA_HOME:-}" in
    /*) app=$XDG_DATA_HOME/offramp-app ;;
    *) app=$HOME/.local/share/offramp-app ;;
esac
if [ ! -x "$app/current/bin/offramp" ]; then
    echo "There is no Offramp in $app that make install has installed." >&2
    exit 1
fi
exec "$app/current/bin/offramp" uninstall "$@"
