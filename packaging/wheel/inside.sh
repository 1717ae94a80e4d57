#!/bin/sh
# One run of test.sh, in namespaces of its own, in ROOT, a system that nobody else uses.
#
# Usage: inside.sh ROOT pipx|uv STORE [NAME=VALUE...], with the files and folders of this machine that
# are to be found inside at the same path, one a line, on standard input.
set -eu
root=$1
tool=$2
store=$3
shift 3
uv_version=0.13.9

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
mkdir -p "$root/var/cache/packages" "$root/sys/fs/cgroup"
mount --bind "$store/archives" "$root/var/cache/apt/archives"
mount --bind "$store/packages" "$root/var/cache/packages"
mount -t tmpfs tmpfs "$root/run"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"

# as USER HOME COMMAND...
as() {
    user=$1
    home=$2
    shift 2
    chroot --userspec="$user:$user" "$root" /usr/bin/env -i HOME="$home" USER="$user" \
        PATH="$home/.local/bin:$PATH" LC_ALL=C.UTF-8 "$@"
}

# The index of a testing suite expires after a week, and a mirror may be older.
as root /root "$@" apt-get -o Acquire::Check-Valid-Until=false update >/dev/null
as root /root "$@" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3 python3-venv curl systemd >/dev/null
if [ "$tool" = pipx ]; then
    as root /root "$@" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends pipx >/dev/null
else
    as root /root "$@" sh -ec "python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install -q uv==$uv_version"
    ln -s /opt/uv/bin/uv "$root/usr/local/bin/uv"
fi
as root /root "$@" sh /opt/system-packages.sh desktop >/dev/null

# The user's own manager wants what the system's would have made.
number=$(chroot "$root" id -u user)
mkdir -p "$root/run/systemd/system" "$root/run/user/$number" "$root/sys/fs/cgroup/user"
chown "$number:$number" "$root/run/user/$number"
chmod 0700 "$root/run/user/$number"
echo $$ >"$root/sys/fs/cgroup/user/cgroup.procs"
chown -R "$number:$number" "$root/sys/fs/cgroup/user"
as user /home/user XDG_RUNTIME_DIR="/run/user/$number" /lib/systemd/systemd --user \
    >"$root/run/manager.log" 2>&1 &
as user /home/user "$@" XDG_RUNTIME_DIR="/run/user/$number" sh /opt/wheel/journey.sh "$tool"
