#!/bin/sh
# Installs Offramp for this user into a place of its own, which the checkout is not needed for, and
# runs `offramp install` with the arguments given. Run again, it upgrades.
#
# Usage: install.sh [ARGUMENT...], as `offramp install` takes them.
# The place: ${XDG_DATA_HOME:-~/.local/share}/offramp-app, on macOS too (below ~/Library/Application
# Support every script would have to begin with a path that holds a space, which it can't). In it
# each version has an environment of its own, env-DATE-TIME-PID; `current` leads to the one in use,
# and changes over at once, only after that one was finished. The one before stays, for a process
# that still finishes streams may yet load from it. ~/.local/bin/offramp and offramp-daemon lead
# there. PYTHON, where set, names the Python to use.
set -eu
cd "$(dirname "$0")/.."

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

[ -n "${HOME:-}" ] && [ -d "$HOME" ] || stop "HOME is not a folder, so there is no place to install to."
if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ]; then
    stop "Don't use sudo, because Offramp is installed for one user: run make install as $SUDO_USER."
fi

case "${XDG_DATA_HOME:-}" in
    /*) app=$XDG_DATA_HOME/offramp-app ;;
    *) app=$HOME/.local/share/offramp-app ;;
esac
programs=$HOME/.local/bin
log=$app/install.log
again="make install"
. packaging/environment.sh

# Everything that ends up in an environment. It notices changes and guards nothing.
sources_key() {
    printf '%s %s\n' "$1" "$({
        find daemon tray dashboard_qt -type f ! -name '*.pyc' | LC_ALL=C sort |
            while IFS= read -r file; do cat "$file"; done
        cat pyproject.toml README.md constraints/build.txt constraints/app.txt \
            packaging/install.sh packaging/environment.sh
    } | cksum)"
}

# names PINS: the packages in a file of pins.
names() {
    sed -n 's/^\([A-Za-z0-9][A-Za-z0-9._-]*\)==.*/\1/p' "$1" | LC_ALL=C sort
}

# refuse_strangers: a link or program of another installation would go on being the one that runs.
refuse_strangers() {
    for name in offramp offramp-daemon; do
        link=$programs/$name
        if [ -e "$link" ] || [ -L "$link" ]; then
            case "$(readlink "$link" || true)" in
                "$app"/*) ;;
                *) stop "$link already exists, and make install did not create it." \
                    "Remove that Offramp first (for example with pipx uninstall offramp), then run make install again." ;;
            esac
        fi
    done
}

# Two at a time would remove each other's work.
take_turn() {
    if ! mkdir "$app/.installing" 2>/dev/null; then
        other=$(cat "$app/.installing/pid" 2>/dev/null || true)
        if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then
            stop "Another make install is running (process $other): wait until it ends."
        fi
    fi
    echo $$ >"$app/.installing/pid"
    half_made=''
    trap 'rm -rf "$app/.installing"; [ -z "$half_made" ] || rm -rf "$half_made"' EXIT
    trap 'exit 130' HUP INT TERM
}

# make_new: sets env to a finished environment.
make_new() {
    env=$app/env-$(date +%Y%m%d-%H%M%S)-$$
    half_made=$env
    choose_pip_cache
    echo "Installing Offramp into $app with Python $wanted ($python): a minute or so."
    make_environment "$env"
    install_packages "$env" constraints/app.txt
    install_offramp "$env" .
    names constraints/app.txt >"$env/needed"
    extra=$(names constraints/build.txt | LC_ALL=C comm -23 - "$env/needed" | grep -vx pip || true)
    # shellcheck disable=SC2086 # names of packages hold no blanks
    [ -z "$extra" ] || logged "removing the build tools" "$env/bin/python" -m pip uninstall --yes $extra
    rm -f "$env/needed"
    "$env/bin/offramp" --version >>"$log" 2>&1 || stop "The new Offramp does not run: see $log."
    sources_key "$wanted" >"$env/offramp-stamp"
    half_made=''
}

# link TARGET PATH: at once, whatever stood there.
link() {
    ln -s "$1" "$2.new.$$"
    "$env/bin/python" -c 'import os, sys; os.replace(*sys.argv[1:])' "$2.new.$$" "$2"
}

# in_use: what processes run and have loaded, one file a line; fails where that can't be told.
# A command line names its environment unless Python was called by `current`, or is macOS's
# framework, which puts its own path there. What a process has loaded from an environment (each
# of ours but the supervisor, which has all of its code in memory, loads libraries) is found too.
in_use() {
    if [ -r /proc/self/cmdline ]; then
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' || true
        cat /proc/[0-9]*/maps 2>/dev/null | grep '/env-' || true
    else
        ps -axww -o args= && PATH=$PATH:/usr/sbin lsof -nP -a -u "$(id -u)" -d txt -Fn 2>/dev/null
    fi
}

# remove_older: but for what still runs, which loads from its environment as it goes.
remove_older() {
    older=''
    for folder in "$app"/env-*; do
        if [ -d "$folder" ] && [ "$folder" != "$env" ] && [ "$folder" != "$previous" ]; then
            older=yes
        fi
    done
    [ -n "$older" ] || return 0
    if ! used=$(in_use) || [ -z "$used" ]; then
        echo "It is not known which older versions still run (ps or lsof failed), so all of them stay in $app."
        return
    fi
    # By name, which no other folder has: the system may write the path in another way.
    used=$(printf '%s\n' "$used" | grep '/env-' || true)
    for folder in "$app"/env-*; do
        if [ -d "$folder" ] && [ "$folder" != "$env" ] && [ "$folder" != "$previous" ]; then
            case "$used" in
                *"/${folder##*/}/"*) ;;
                *) rm -rf "$folder" ;;
            esac
        fi
    done
}

# is_dry ARGUMENT...
is_dry() {
    for argument in "$@"; do
        [ "$argument" != --dry-run ] || return 0
    done
    return 1
}

# is_current: whether what is installed was made from just these sources.
is_current() {
    [ -n "$previous" ] && [ "$(cat "$previous/offramp-stamp" 2>/dev/null)" = "$(sources_key "$wanted")" ] &&
        "$previous/bin/offramp" --version >/dev/null 2>&1
}

# tell_dry ARGUMENT...: what would be installed, and what the Offramp that is there would do then.
tell_dry() {
    if ! is_current; then
        echo "Offramp would be installed into a new environment in $app, some 460 MB,"
        echo "with offramp and offramp-daemon in $programs."
    fi
    if [ -z "$previous" ]; then
        echo "Once it is installed, \`offramp install --dry-run\` shows what it would set up next."
        echo "Nothing was changed."
        exit 0
    fi
    exec "$app/current/bin/offramp" install "$@"
}

refuse_strangers
find_python
wanted=$(version_of "$python")
previous=$(readlink "$app/current" || true)
if is_dry "$@"; then
    tell_dry "$@"
fi
mkdir -p "$app" "$programs"
take_turn
: >"$log"

previous=$(readlink "$app/current" || true)
if is_current; then
    env=$previous
    echo "Offramp in $app is up to date."
else
    sh packaging/system-packages.sh desktop
    make_new
    link "$env" "$app/current"
    remove_older
fi
if [ ! -f "$env/took-over" ]; then
    # A daemon that runs is to be one of this environment, be its version's number the same.
    set -- --restart "$@"
fi
for name in offramp offramp-daemon; do
    link "$app/current/bin/$name" "$programs/$name"
done

case ":$PATH:" in
    *":$programs:"*) ;;
    *) echo "$programs is not on your PATH. Add it in your shell's start-up file to run just offramp." ;;
esac
"$app/current/bin/offramp" install "$@" || {
    failed=$?
    echo "The program is installed ($programs/offramp), but its set-up stopped, as said above." >&2
    exit "$failed"
}
: >"$env/took-over"
