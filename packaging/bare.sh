# Sourced by .ci/run and fresh.sh: another surrounding for `make`, as bare as a new user's.
#
# The caller runs in the checkout's top folder.
# shellcheck shell=sh

bare_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# network_variables: those of this environment, one a line, without which nothing could be fetched.
network_variables() {
    env | grep -E '^(PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|CERT|CLIENT_CERT|CONSTRAINT|DEFAULT_TIMEOUT|PROXY|RETRIES|TRUSTED_HOST)|(SSL_CERT|REQUESTS_CA|CURL_CA)_[A-Z]+|([Hh][Tt][Tt][Pp][Ss]?|[Nn][Oo]|[Aa][Ll][Ll])_([Pp][Rr][Oo][Xx][Yy]))=' || true
}

# pip_files: pip's own settings on this machine, wherever they are.
pip_files() {
    for file in /etc/xdg/pip/pip.conf /etc/pip.conf "${HOME:-/nonexistent}/.pip/pip.conf" \
        "${XDG_CONFIG_HOME:-${HOME:-/nonexistent}/.config}/pip/pip.conf" "${PIP_CONFIG_FILE:-/nonexistent}"; do
        [ ! -f "$file" ] || echo "$file"
    done
}

# copy_checkout FOLDER: a clone, with what is not committed yet, and nothing that git ignores.
copy_checkout() (
    # The checkout may belong to another user (a container's mount, say); reading it is safe.
    GIT_CONFIG_GLOBAL=$(mktemp)
    export GIT_CONFIG_GLOBAL
    trap 'rm -f "$GIT_CONFIG_GLOBAL"' EXIT
    printf '[safe]\n\tdirectory = *\n' >"$GIT_CONFIG_GLOBAL"
    git clone --quiet --no-checkout "$(pwd -P)" "$1" && git -C "$1" reset --quiet || exit 1
    git ls-files -z --cached --others --exclude-standard |
        xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh |
        tar --null --files-from=- -cf - | tar -xf - -C "$1"
)
