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
. packaging/bare-system.sh

# prepare_system SUITE WHO: a copy of the bare one, with the checkout in it.
prepare_system() {
    copy_system "$1" "$root"
    mkdir -p "$store/pip-$2"
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

need debootstrap chroot unshare

suites='' people=''
for argument in "$@"; do
    case "$argument" in
        root | user | bare) people="$people $argument" ;;
        *) suites="$suites $argument" ;;
    esac
done
choose_mirror fresh

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
