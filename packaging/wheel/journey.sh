#!/bin/sh
# What a user does, from the installation to the removal; ends at the first thing that is not as it
# should be. Run by inside.sh, as that user.
#
# Usage: journey.sh pipx|uv
set -eu
tool=$1
here=$(dirname "$0")
wheels=/opt/wheels-of-offramp
old=$(basename "$wheels"/offramp-*.whl | cut -d - -f 2)
new=$(basename "$wheels"/later/offramp-*.whl | cut -d - -f 2)

export PIP_FIND_LINKS="$wheels ${PIP_FIND_LINKS:-}" PIP_CACHE_DIR=/var/cache/packages/pip
export UV_FIND_LINKS="$wheels" UV_CACHE_DIR=/var/cache/packages/uv
export UV_PYTHON_DOWNLOADS=never UV_PYTHON_PREFERENCE=only-system
index=$(python3 -m pip config get global.index-url 2>/dev/null || true)
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"

step() {
    echo "-- $*"
}

fail() {
    echo "FAILED: $*" >&2
    tail -n 20 "$HOME/.local/state/offramp/log/daemon.log" >&2 2>/dev/null || true
    exit 1
}

# until COMMAND...: for ten seconds at most.
until_true() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || fail "after ten seconds, still not so: $*"
        sleep 0.1
    done
}

serves() { # VERSION
    offramp status --json | grep -q "\"version\": *\"$1\""
}

install_it() {
    case $tool in
        pipx) pipx install 'offramp[charts]' ;;
        uv) uv tool install 'offramp[charts]' ;;
    esac
}

upgrade_it() {
    case $tool in
        pipx) pipx upgrade offramp ;;
        uv) uv tool upgrade offramp ;;
    esac
}

remove_it() {
    case $tool in
        pipx) pipx uninstall offramp ;;
        uv) uv tool uninstall offramp ;;
    esac
}

# ask PATH FIELDS: send one request through the daemon.
ask() {
    curl --silent --no-buffer --fail --max-time 600 "http://127.0.0.1:$port$1" \
        -H 'x-api-key: sk-ant-api03-not-a-real-key' -H 'anthropic-version: 2023-06-01' \
        -d "{\"model\":\"claude-opus-4-6\",$2\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}"
}

# check_login_item: it names programs that are there, by paths without a version.
check_login_item() {
    program=$(sed -n 's/^ExecStart=//p' "$HOME/.config/systemd/user/offramp.service" | tr -d '"' | cut -d ' ' -f 1)
    [ -x "$program" ] || fail "the login item starts $program, which is not there"
    case $program in
        *"$old"* | *"$new"* | *python3.*) fail "the login item starts $program, which an upgrade replaces" ;;
    esac
}

until_true systemctl --user list-units
python3 --version

step "install $old with $tool"
install_it
offramp --version | grep -q "version $old$" || fail "another version runs: $(offramp --version)"
if offramp version --check; then fail "version --check knows a release page"; fi

step "set up"
python3 "$here/slow_service.py" "$HOME/slow" &
service=$!
until_true test -s "$HOME/slow/port"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$HOME/.config/offramp" "$HOME/.claude"
printf 'port = %s\nanthropic_base_url = "http://127.0.0.1:%s"\n' "$port" "$(cat "$HOME/slow/port")" \
    >"$HOME/.config/offramp/config.toml"
echo '{"env": {"KEPT": "yes"}}' >"$HOME/.claude/settings.json"
cp "$HOME/.claude/settings.json" "$HOME/settings-before.json"
offramp install --yes --connect --no-tray
until_true serves "$old"
check_login_item
grep -q "localhost:$port" "$HOME/.claude/settings.json" || fail "Claude Code is not connected"
QT_QPA_PLATFORM=offscreen offramp charts --screenshot "$HOME/charts.png"
[ -s "$HOME/charts.png" ] || fail "the window drew no picture"

step "upgrade to $new under a stream and among other requests"
ask /v1/messages '"max_tokens":9,"stream":true,' >"$HOME/stream.txt" &
stream=$!
until_true grep -q message_start "$HOME/stream.txt"
while [ ! -e "$HOME/upgraded" ]; do
    ask /v1/messages/count_tokens '' || echo " a request failed: curl $?"
    echo
    sleep 0.2
done >"$HOME/requests.txt" &
requests=$!
cp "$wheels"/later/*.whl "$wheels/"
upgrade_it
offramp --version | grep -q "version $new$" || fail "another version runs: $(offramp --version)"
check_login_item
offramp install --yes --no-tray
until_true serves "$new"
touch "$HOME/slow/finish" "$HOME/upgraded"
wait "$requests"
if grep -v '^{"input_tokens":8}$' "$HOME/requests.txt"; then fail "requests failed during the upgrade"; fi
echo "$(wc -l <"$HOME/requests.txt") other requests were answered meanwhile."
wait "$stream" || fail "the stream was cut: $(tail -c 300 "$HOME/stream.txt")"
grep -q message_stop "$HOME/stream.txt" || fail "the stream has no end"
until_true sh -c 'offramp logs --json | grep -q claude-opus'
check_login_item

step "restart by the service manager"
systemctl --user restart offramp.service
until_true serves "$new"

step "remove"
offramp uninstall --yes | tee "$HOME/uninstall.txt"
grep -q "$tool.* uninstall offramp" "$HOME/uninstall.txt" || fail "uninstall does not say how to go on"
cmp "$HOME/.claude/settings.json" "$HOME/settings-before.json" || fail "Claude Code's settings differ"
remove_it
kill "$service"
for left in .config/systemd/user/offramp.service .config/systemd/user/offramp.socket .local/bin/offramp \
    .local/bin/offramp-daemon .config/autostart/offramp-tray.desktop; do
    if [ -e "$HOME/$left" ] || [ -L "$HOME/$left" ]; then fail "$left is still there"; fi
done
if curl --silent --max-time 2 "http://127.0.0.1:$port/health" >/dev/null; then fail "the port is still open"; fi
step "passed"
