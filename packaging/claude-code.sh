#!/bin/sh
# Installs the Claude Code that `make e2e` drives: one version, into .cache/claude-code alone.
set -eu
cd "$(dirname "$0")/.."

version=2.1.197 # the last one that runs on Node 20
folder=.cache/claude-code
package=$folder/node_modules/@anthropic-ai/claude-code/package.json

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

if [ -f "$package" ] && grep -q "\"version\": *\"$version\"" "$package"; then
    exit 0
fi
command -v npm >/dev/null 2>&1 ||
    stop "make e2e drives the real Claude Code, which npm installs; there is no npm here." \
        "Install Node 20 or later with npm (https://nodejs.org), then type make e2e again."
major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$major" -ge 20 ] ||
    stop "Claude Code $version needs Node 20 or later; here is Node $(node --version)."
echo "Installing Claude Code $version into $folder (npm)."
mkdir -p "$folder"
npm install --prefix "$folder" --cache .cache/npm --no-save --no-package-lock --no-audit --no-fund \
    --loglevel error "@anthropic-ai/claude-code@$version" ||
    stop "npm could not install Claude Code $version: see its lines above." \
        "Check the network or npm's settings (npm config list), then type make e2e again."
