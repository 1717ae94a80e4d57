#!/bin/sh
# One run of fresh.sh, in namespaces of its own: `make test` in ROOT, a system that nobody else uses.
#
# Usage: fresh-inside.sh ROOT root|user|bare STORE [NAME=VALUE...], with the files and folders of this
# machine that are to be found inside at the same path, one a line, on standard input.
set -eu
root=$1
who=$2
store=$3
shift 3

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while read -r path; do
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
    else
        mkdir -p "$root${path%/*}"
        touch "$root$path"
    fi
    mount --bind -o ro "$path" "$root$path"
done
mkdir -p "$root/var/cache/pip"
mount --bind "$store/archives" "$root/var/cache/apt/archives"
mount --bind "$store/pip-$who" "$root/var/cache/pip"

# inside USER HOME COMMAND...
inside() {
    user=$1
    home=$2
    shift 2
    chroot --userspec="$user:$user" "$root" /usr/bin/env -i HOME="$home" PATH="$PATH" \
        PIP_CACHE_DIR=/var/cache/pip "$@"
}

if [ "$who" = root ]; then
    inside root /root "$@" make -C /root/offramp test
    exit
fi
inside root /root "$@" apt-get update >/dev/null
inside root /root "$@" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends python3 python3-venv >/dev/null
if [ "$who" = user ]; then
    for kind in desktop tests; do
        inside root /root "$@" sh -c "cd /root && sh /home/user/offramp/packaging/system-packages.sh $kind"
    done
fi
inside user /home/user "$@" make -C /home/user/offramp test
