#!/bin/sh
# Gets what only the system's package manager can give: a Python, the part of it that makes virtual
# environments, what the charts window needs of a desktop, or the programs that the tests start.
#
# Usage: system-packages.sh python | venv MAJOR.MINOR | desktop | tests | missing
# Debian and its kin: installs it when run by root or with a sudo that asks for no password.
# Everywhere else, and where that fails, it prints the command to type and exits 1; what is missing
# of a desktop, or for tests, is only named, for all but the charts, or those tests, works without.
# `missing` names both, and installs nothing.
set -eu

# stop_with INTRODUCTION COMMAND
stop_with() {
    printf '%s\n    %s\n' "$1" "$2" >&2
    exit 1
}

type_this='Run this, then the same make command again:'

have() {
    command -v "$1" >/dev/null 2>&1
}

as_root=''
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo '
fi

may_install() {
    [ -z "$as_root" ] || { have sudo && sudo -n true 2>/dev/null; }
}

# run_apt COMMAND...: as root, into the log.
run_apt() {
    mkdir -p .cache
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get "$@" >>.cache/apt.log 2>&1
}

# apt_install PACKAGE...
apt_install() {
    command="${as_root}apt-get install -y --no-install-recommends $*"
    may_install || stop_with "$type_this" "$command"
    echo "Installing $* with apt-get (log: .cache/apt.log)." >&2
    if run_apt install -y --no-install-recommends "$@"; then
        return
    fi
    # Package lists that are missing or old are the usual cause.
    if run_apt update && run_apt install -y --no-install-recommends "$@"; then
        return
    fi
    tail -n 5 .cache/apt.log >&2
    stop_with "apt-get could not install $*. $type_this" "$command"
}

# newest_in_apt: the newest Python for Offramp that this system's own repositories have.
newest_in_apt() {
    for version in 3.14 3.13 3.12 3.11; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            echo "$version"
            return
        fi
    done
}

apt_install_python() {
    version=$(newest_in_apt)
    if [ -z "$version" ] && may_install; then
        run_apt update || true
        version=$(newest_in_apt)
    fi
    if [ -n "$version" ]; then
        apt_install "python$version" "python$version-venv"
    elif ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
        from_elsewhere # this system is too old to have one
    else
        stop_with "$type_this" \
            "${as_root}apt-get update && ${as_root}apt-get install -y python3 python3-venv"
    fi
}

from_elsewhere() {
    stop_with "Install Python 3.13 (https://www.python.org/downloads/), then run, with its path:" \
        "make setup PYTHON=/path/to/python3.13"
}

install_python() {
    if have apt-get; then
        apt_install_python
    elif have dnf; then
        stop_with "$type_this" "${as_root}dnf install -y python3.14 || ${as_root}dnf install -y python3.13"
    elif have zypper; then
        stop_with "$type_this" "${as_root}zypper install -y python313"
    elif have pacman; then
        stop_with "Arch's own Python may be too new. Run:" \
            "${as_root}pacman -S --needed uv && uv python install 3.14 && make setup PYTHON=\"\$(uv python find 3.14)\""
    elif have brew; then
        stop_with "$type_this" "brew install python@3.13"
    else
        from_elsewhere
    fi
}

install_venv() {
    if have apt-get; then
        apt_install "python$1-venv"
    else
        stop_with "This Python $1 has no venv and ensurepip. Choose another one, for example:" \
            "make setup PYTHON=/path/to/python3.13"
    fi
}

# What Qt loads and does not bring along, each with Debian's package: without a display, then for
# X11. A desktop has them all.
desktop_libraries='
libglib-2.0.so.0 libglib2.0-0
libGL.so.1 libgl1
libEGL.so.1 libegl1
libfontconfig.so.1 libfontconfig1
libxkbcommon.so.0 libxkbcommon0
libdbus-1.so.3 libdbus-1-3
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
'
# Programs that the tests start: a display, a bus, a keyring, and what looks at the Debian package.
test_programs='
Xvfb xvfb
xauth xauth
dbus-daemon dbus
gnome-keyring-daemon gnome-keyring
dpkg-shlibdeps dpkg-dev
desktop-file-validate desktop-file-utils
shellcheck shellcheck
'

# missing_of_desktop: the packages that hold what is not there.
missing_of_desktop() {
    present=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)
    printf '%s' "$desktop_libraries" | while read -r library package; do
        case "$present" in
            *"$library "*) ;;
            *) [ -z "$library" ] || echo "$package" ;;
        esac
    done
    if ! find /usr/share/fonts /usr/local/share/fonts "${HOME:-/nonexistent}/.local/share/fonts" \
        -name '*.[ot]tf' 2>/dev/null | grep -q .; then
        echo fonts-dejavu-core
    fi
}

missing_of_tests() {
    printf '%s' "$test_programs" | while read -r program package; do
        [ -z "$program" ] || have "$program" || echo "$package"
    done
}

# install_missing WHO PACKAGES: never fails, for the daemon and the command line need none of them.
install_missing() {
    if [ "$(uname -s)" != Linux ] || [ -z "$2" ]; then
        return 0
    fi
    if have apt-get && may_install; then
        # shellcheck disable=SC2086 - one argument per package
        (apt_install $2) && return 0
        echo "Set-up goes on without them: only $1 need them." >&2
    else
        name_missing "$1" "$2"
    fi
}

# name_missing PACKAGES: how to add what the machine still lacks.
name_missing() {
    if [ "$(uname -s)" != Linux ] || [ -z "$2" ]; then
        return 0
    fi
    echo "Optional: $1 need some packages that are not installed here. Set-up goes on without them." >&2
    if have apt-get; then
        printf 'To add them, run:\n    %s\n' \
            "${as_root}apt-get install -y --no-install-recommends $2" >&2
    else
        echo "Debian calls them $2" >&2
        echo "Install them under the names that they have here." >&2
    fi
}

case "${1:-}" in
    desktop) install_missing "the charts window and some tests" "$(missing_of_desktop | tr '\n' ' ')" ;;
    tests) install_missing "some tests" "$(missing_of_tests | tr '\n' ' ')" ;;
    missing) name_missing "the charts window and some tests" "$({ missing_of_desktop && missing_of_tests; } | tr '\n' ' ')" ;;
    python) install_python ;;
    venv) install_venv "$2" ;;
    *)
        echo "Usage: $0 python | venv MAJOR.MINOR | desktop | tests | missing" >&2
        exit 2
        ;;
esac
