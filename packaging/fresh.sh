#!/bin/sh
# Runs `make test` on bare Debian systems, where nothing is but git, make and ca-certificates: as root,
# who gets everything else from setup, and as a plain user without sudo.
#
# Usage: fresh.sh [SUITE...] [root|user|bare]...   (bookworm trixie, root user, unless given)
# `user` finds what root installed beforehand; `bare` only a Python, without Qt's libraries.
# Needs root, debootstrap, and an apt whose sources have Debian (or MIRROR=ADDRESS). Systems and
# downloads stay in .cache/fresh; `make clean` removes them. Each run ends with all of its processes
# and mounts, for it has namespaces of its own.
set -eu
cd "$(dirname "$0")/.."
. packaging/bare.sh

store=$(pwd -P)/.cache/fresh

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

# mirror: where this machine's own apt gets Debian from.
mirror() {
    apt-get indextargets --format '$(SITE)' 'Origin: Debian' 2>/dev/null |
        grep -v -- '-security$' | sort -u | head -n 1
}

# make_system SUITE: once; half-made ones are never kept.
make_system() {
    [ ! -d "$store/$1" ] || return 0
    echo "Making a bare $1 (log: .cache/fresh/$1.log)."
    rm -rf "$store/$1.new"
    debootstrap --variant=minbase --include=git,make,ca-certificates \
        "$1" "$store/$1.new" "$mirror" >"$store/$1.log" 2>&1 || stop "debootstrap failed: see $store/$1.log."
    # What this machine's apt needs to reach its sources, in the place of the addresses.
    apt-config dump | grep -E '^Acquire::https?::' >"$store/$1.new/etc/apt/apt.conf.d/90outside" || true
    mv "$store/$1.new" "$store/$1"
}

# passed_on: this machine's files and folders that pip's settings name, so that they hold inside too.
passed_on() {
    {
        network_variables | grep -v '^SSL_CERT_DIR='
        pip_files | while read -r file; do
            echo "$file"
            cat "$file"
        done
    } | grep -oE '/[A-Za-z0-9._/-]+' | sort -u | while read -r path; do
        case "$path" in
            //*) ;;
            *) [ ! -e "$path" ] || echo "$path" ;;
        esac
    done
}

# prepare_system SUITE WHO: a copy of the bare one, with the checkout in it.
prepare_system() {
    rm -rf "$root"
    cp -a "$store/$1" "$root"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    mkdir -p "$store/archives/partial" "$store/pip-$2"
    if [ "$2" = root ]; then
        copy_checkout "$root/root/offramp"
        return
    fi
    chroot "$root" useradd --create-home --shell /bin/sh user
    copy_checkout "$root/home/user/offramp"
    owner=$(chroot "$root" id -u user):$(chroot "$root" id -g user)
    chown -R "$owner" "$root/home/user" "$store/pip-$2"
}

# run SUITE WHO: to the terminal and into a log; the status is that of the tests.
run() (
    root=$store/run-$1-$2
    log=$store/$1-$2.log
    trap 'rm -rf "$root"' EXIT
    prepare_system "$1" "$2"
    suite=$1 who=$2
    set -f
    IFS='
'
    # shellcheck disable=SC2046 # one argument a line
    set -- $(network_variables)
    unset IFS
    set +f
    echo "== $suite, $who =="
    {
        status=0
        passed_on | PATH=$bare_path unshare --mount --pid --fork --kill-child \
            sh packaging/fresh-inside.sh "$root" "$who" "$store" "$@" 2>&1 || status=$?
        echo "$status" >"$log.status"
    } | tee "$log"
    return "$(cat "$log.status")"
)

[ "$(id -u)" -eq 0 ] || stop "make fresh creates whole systems, so it needs root."
for program in debootstrap chroot unshare; do
    command -v "$program" >/dev/null || stop "There is no $program here (Debian: apt-get install $program)."
done

suites='' people=''
for argument in "$@"; do
    case "$argument" in
        root | user | bare) people="$people $argument" ;;
        *) suites="$suites $argument" ;;
    esac
done
mirror=${MIRROR:-$(mirror)}
[ -n "$mirror" ] || stop "This machine's apt has no Debian: give an address, as in MIRROR=ADDRESS make fresh."

mkdir -p "$store"
status=0
summary=''
for suite in ${suites:-bookworm trixie}; do
    make_system "$suite"
    for who in ${people:-root user}; do
        result=passed
        run "$suite" "$who" || { result=FAILED && status=1; }
        line=$(grep -E '(passed|failed|error|skipped).* in [0-9.]+s' "$store/$suite-$who.log" | tail -n 1)
        summary="$summary$suite, $who: $result: ${line:-no test ran}
"
    done
done
printf '\n%s' "$summary"
exit "$status"
