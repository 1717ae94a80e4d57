#!/bin/sh
# Installs the versions of Claude Code that `make e2e` drives, only into .cache/claude-code.
# CLAUDE_CODE=latest (or a version) takes that one instead of the two that are pinned.
set -eu
cd "$(dirname "$0")/.."

oldest=2.1.197 # the last one that runs on Node 20
newest=2.1.332 # a native program, which needs no Node
folder=.cache/claude-code
name=@anthropic-ai/claude-code

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

is_there() {
    [ -x "$folder/$1/claude" ] && "$folder/$1/claude" --version 2>/dev/null | grep -q "^$1 "
}

# The package with the native program for this machine.
platform() {
    case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) stop "There is no native Claude Code for $(uname -s)." ;;
    esac
    case $(uname -m) in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) stop "There is no native Claude Code for $(uname -m)." ;;
    esac
    libc=
    if [ "$os" = linux ] && ls /lib/ld-musl-* >/dev/null 2>&1; then
        libc=-musl
    fi
    echo "$name-$os-$machine$libc"
}

install() { # VERSION PACKAGE PROGRAM, the program as a path below the package
    echo "Installing Claude Code $1 into $folder/$1 (npm)."
    rm -rf "${folder:?}/$1"
    mkdir -p "$folder/$1"
    npm install --prefix "$folder/$1" --cache .cache/npm --no-save --no-package-lock --no-audit \
        --no-fund --loglevel error "$2@$1" ||
        stop "npm could not install Claude Code $1: see its lines above." \
            "Check the network or npm's settings (npm config list), then type make e2e again."
    ln -s "$3" "$folder/$1/claude"
    is_there "$1" || stop "Claude Code $1 was installed, but does not start: $folder/$1/claude"
}

need_npm() {
    command -v npm >/dev/null 2>&1 ||
        stop "make e2e drives the real Claude Code, which npm installs; there is no npm here." \
            "Install Node 20 or later with npm (https://nodejs.org), then type make e2e again."
}

native() {
    is_there "$1" && return
    need_npm
    package=$(platform)
    install "$1" "$package" "node_modules/$package/claude"
}

on_node() {
    is_there "$1" && return
    need_npm
    major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
    [ "$major" -ge 20 ] || stop "Claude Code $1 needs Node 20 or later; here is Node $(node --version)."
    install "$1" "$name" node_modules/.bin/claude
}

case ${CLAUDE_CODE:-pinned} in
pinned)
    on_node "$oldest"
    native "$newest"
    versions="$oldest $newest"
    ;;
latest)
    need_npm
    versions=$(npm view --cache .cache/npm "$name" version) ||
        stop "npm could not find the latest version of Claude Code: see its lines above."
    native "$versions"
    ;;
"$oldest")
    on_node "$oldest"
    versions=$oldest
    ;;
*)
    native "$CLAUDE_CODE"
    versions=$CLAUDE_CODE
    ;;
esac
printf '%s\n' $versions >"$folder/versions"
