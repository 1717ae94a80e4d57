# Sourced by fresh.sh and the packages' proofs: bare Debian systems, made by debootstrap, and what a
# copy of one needs to reach the network as this machine does.
#
# The caller runs in the checkout's top folder, as root. Systems and downloads stay in .cache/fresh;
# a run uses a copy.
# shellcheck shell=sh

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

# copy_system SUITE ROOT: a copy to use up.
copy_system() {
    rm -rf "$2"
    cp -a "$store/$1" "$2"
    cp -L /etc/resolv.conf /etc/hosts "$2/etc/"
    mkdir -p "$store/archives/partial"
}

# need PROGRAM...: what makes and runs systems, and root.
need() {
    [ "$(id -u)" -eq 0 ] || stop "This creates whole systems, so it needs root."
    for program in "$@"; do
        command -v "$program" >/dev/null || stop "There is no $program here (Debian: apt-get install $program)."
    done
}

# choose_mirror: sets mirror, to MIRROR where that is set.
choose_mirror() {
    mirror=${MIRROR:-$(mirror)}
    [ -n "$mirror" ] || stop "This machine's apt has no Debian: give an address, as in MIRROR=ADDRESS make $1."
    mkdir -p "$store"
}
