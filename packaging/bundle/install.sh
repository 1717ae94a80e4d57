#!/bin/sh
# Installs or upgrades this bundle for yourself, without sudo, then runs `offramp install`.
#
# Usage: sh install.sh [--replace] [ARGUMENT...]   as `offramp install` takes them
#        sh install.sh --uninstall [ARGUMENT...]   as `offramp uninstall` takes them
# --replace takes the place of another installation's links in ~/.local/bin, as make install, pipx
# and uv make them; its daemon goes on as this one.
# Each version has a folder of its own in ~/.local/lib/offramp. ~/.local/bin/offramp and
# offramp-daemon lead to the one in use, and change over at once. An older version stays until its
# last process has ended; the next install.sh then removes it.
set -eu
here=$(unset CDPATH && cd "$(dirname "$0")" && pwd -P)
version=@VERSION@

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

case " $* " in
    *" -h "* | *" --help "*)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
esac
case "${HOME:-}" in
    /*) ;;
    *) stop "HOME is '${HOME:-}', which is not the full path of a folder. Set it to your home folder, and run this again." ;;
esac
root=$HOME/.local/lib/offramp
programs=$HOME/.local/bin

if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ]; then
    stop "Don't use sudo, because Offramp is installed for one user: run install.sh as $SUDO_USER."
fi

if [ "${1:-}" = --uninstall ]; then
    shift
    [ -x "$programs/offramp" ] || stop "There is no Offramp in $programs."
    case "$(readlink "$programs/offramp" || true)" in
        "$root"/*) ;;
        *) stop "$programs/offramp is not from install.sh. To uninstall that one, run: offramp uninstall" ;;
    esac
    exec "$programs/offramp" uninstall "$@"
fi

is_replacing=
if [ "${1:-}" = --replace ]; then
    is_replacing=yes
    shift
fi

# key FOLDER: what tells one build from another, and a whole one from a damaged one.
key() {
    (cd "$1" && find . -type f -exec cksum {} + | LC_ALL=C sort | cksum)
}

# refuse_strangers: a program of another installation would go on being the one that runs.
refuse_strangers() {
    for name in offramp offramp-daemon; do
        link=$programs/$name
        if [ -e "$link" ] || [ -L "$link" ]; then
            case "$(readlink "$link" || true)" in
                "$root"/*) ;;
                ?*) [ -n "$is_replacing" ] || stop "$link leads to another Offramp: $(readlink "$link")" \
                    "To take its place without a pause, run install.sh --replace, then delete that one's files." ;;
                *) stop "$link already exists, and install.sh did not create it. Move it away first." ;;
            esac
        fi
    done
}

# Two at a time would remove each other's work.
take_turn() {
    mkdir -p "$root" "$programs"
    if ! mkdir "$root/.installing" 2>/dev/null; then
        other=$(cat "$root/.installing/pid" 2>/dev/null || true)
        # Another program may have the number of one that was ended.
        if [ -n "$other" ] && grep -qs install.sh "/proc/$other/cmdline"; then
            stop "Another install.sh is running (process $other): wait until it ends."
        fi
    fi
    echo $$ >"$root/.installing/pid"
    trap 'rm -rf "$root/.installing" "$root"/.new-*' EXIT
    trap 'exit 130' HUP INT TERM
}

# choose_folder: sets target, the folder of this version, and is_new where it has to be copied.
choose_folder() {
    target=$root/$version
    is_new=yes
    own_key=$(key "$here")
    for folder in "$root/$version" "$root/$version"-*; do
        if [ -x "$folder/offramp" ] && [ "$(key "$folder")" = "$own_key" ]; then
            target=$folder
            is_new=
            return 0
        fi
    done
    # Another build of the same version may still run from the folder of that name.
    [ ! -e "$target" ] || target=$root/$version-$(date +%Y%m%d%H%M%S)
}

# link TARGET PATH: at once, whatever stood there.
link() {
    ln -s "$1" "$2.new.$$"
    mv -T "$2.new.$$" "$2"
}

# remove_older: but for what still runs, which loads from its folder as it goes.
remove_older() {
    used=$(for each in /proc/[0-9]*/exe; do readlink "$each" 2>/dev/null || true; done)
    for folder in "$root"/*; do
        if [ -d "$folder" ] && [ "$folder" != "$target" ]; then
            # Processes name it without links, such as one that leads to the home folder.
            case "$used" in
                *"$(readlink -f "$folder")/"*) echo "$folder is still in use, so it stays until the next install.sh." ;;
                *) rm -rf "$folder" ;;
            esac
        fi
    done
}

case " $* " in
    *" --dry-run "*)
        echo "Offramp $version would be copied to $root, with offramp and offramp-daemon in $programs."
        [ ! -x "$programs/offramp" ] || exec "$programs/offramp" install "$@"
        exit 0
        ;;
esac

refuse_strangers
take_turn
choose_folder
if [ -n "$is_new" ]; then
    echo "Copying Offramp $version to $target."
    cp -R "$here" "$root/.new-$$"
    "$root/.new-$$/offramp" --version >/dev/null || stop "The new Offramp does not run here, so nothing was changed."
    mv "$root/.new-$$" "$target"
    # A daemon that runs is to be one of this folder, be its version's number the same.
    set -- --restart "$@"
fi
for name in offramp offramp-daemon; do
    link "$target/$name" "$programs/$name"
done
case ":$PATH:" in
    *":$programs:"*) ;;
    *) echo "$programs is not on your PATH. Add it in your shell's start-up file to run just offramp." ;;
esac
"$programs/offramp" install "$@" || {
    failed=$?
    echo "The program is installed ($programs/offramp), but its set-up stopped, as said above." >&2
    exit "$failed"
}
remove_older
