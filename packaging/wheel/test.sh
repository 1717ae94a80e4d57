#!/bin/sh
# Proves the wheel on bare Debian systems, with pipx and with uv: a plain user who has a `systemd --user`
# installs it, sets it up, upgrades it under a running stream, and removes it.
#
# Usage: test.sh [SUITE...] [pipx|uv]...   (bookworm trixie testing, both, unless given)
# Needs root, debootstrap, a cgroup2 hierarchy, and an apt whose sources have Debian (or
# MIRROR=ADDRESS). Python is the system's own. Systems and downloads stay in .cache/fresh.
set -eu
cd "$(dirname "$0")/../.."
. packaging/bare-system.sh

wheels=$store/wheels
python=.venv/bin/python

# make_wheels: this version, and one that is higher.
make_wheels() {
    rm -rf "$wheels"
    mkdir -p "$wheels/later"
    "$python" -m build --wheel --no-isolation --outdir "$wheels" . >/dev/null
    copy_checkout "$wheels/source"
    sed -i 's/^__version__ = "\(.*\)"/__version__ = "\1.1"/' "$wheels/source/daemon/offramp_core/__init__.py"
    "$python" -m build --wheel --no-isolation --outdir "$wheels/later" "$wheels/source" >/dev/null
    rm -rf "$wheels/source"
}

# cgroup: where one may be made; systemd needs a hierarchy of its own.
cgroup_root() {
    for folder in /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ ! -f "$folder/cgroup.procs" ] || { echo "$folder" && return; }
    done
    stop "There is no cgroup2 hierarchy here, which a systemd --user needs."
}

# run SUITE TOOL: to the terminal and into a log.
run() (
    root=$store/run-$1-$2
    log=$store/$1-$2.log
    group=$(cgroup_root)/offramp-$$-$1-$2
    trap 'rm -rf "$root"; find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true' EXIT
    copy_system "$1" "$root"
    chroot "$root" useradd --create-home --shell /bin/sh user
    owner=$(chroot "$root" id -u user):$(chroot "$root" id -g user)
    cp -r packaging/wheel packaging/system-packages.sh "$root/opt/"
    cp -r "$wheels" "$root/opt/wheels-of-offramp"
    mkdir -p "$store/packages" "$group"
    chown -R "$owner" "$store/packages" "$root/opt/wheels-of-offramp"
    suite=$1 tool=$2
    set -f
    IFS='
'
    # shellcheck disable=SC2046 # one argument a line
    set -- $(network_variables)
    unset IFS
    set +f
    echo "== $suite, $tool =="
    {
        status=0
        # It joins the cgroup before it leaves it: the new namespace begins there.
        # shellcheck disable=SC2016 # expanded by the inner shell
        passed_on | PATH=$bare_path sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" \
            unshare --mount --pid --fork --kill-child --cgroup \
            sh packaging/wheel/inside.sh "$root" "$tool" "$store" "$@" 2>&1 || status=$?
        echo "$status" >"$log.status"
    } | tee "$log"
    return "$(cat "$log.status")"
)

need debootstrap chroot unshare
suites='' tools=''
for argument in "$@"; do
    case "$argument" in
        pipx | uv) tools="$tools $argument" ;;
        *) suites="$suites $argument" ;;
    esac
done
choose_mirror package-test
make_wheels
status=0
summary=''
for suite in ${suites:-bookworm trixie testing}; do
    make_system "$suite"
    for tool in ${tools:-pipx uv}; do
        result=passed
        run "$suite" "$tool" || { result=FAILED && status=1; }
        summary="$summary$suite, $tool: $result
"
    done
done
printf '\n%s' "$summary"
exit "$status"
