#!/bin/sh
# Draws the README's pictures of the charts window: the real window over the demo's sample history,
# without a display, the same words and times wherever it is run.
#
# Usage: screenshots.sh [FOLDER]   (docs/images unless given; PORT= chooses the demo's port)
# With the font Inter installed (Debian: fonts-inter) it is used, else what the system calls sans.
set -eu
cd "$(dirname "$0")/.."

folder=${1:-docs/images}
python=${PYTHON:-.venv/bin/python}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT INT TERM

cat >"$home/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <match target="pattern">
    <test name="family"><string>sans-serif</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit>
  </match>
</fontconfig>
FONTS

export OFFRAMP_HOME="$home" FONTCONFIG_FILE="$home/fonts.conf" QT_QPA_PLATFORM=offscreen
export QT_SCALE_FACTOR=2 LC_ALL=C.UTF-8 TZ="${TZ:-Europe/Berlin}"

"$python" packaging/sample_log.py "$home/demo/data/log"
"$python" -m offramp_cli demo --port "${PORT:-3197}" --no-traffic >"$home/demo.log" 2>&1 &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; rm -rf "$home"' EXIT INT TERM

tries=0  # without a daemon there is no forecast to draw
until "$python" -m offramp_cli status --demo >/dev/null 2>&1 || [ "$tries" -ge 60 ]; do
    tries=$((tries + 1))
    sleep 1
done

mkdir -p "$folder"
for theme in light dark; do
    "$python" -m offramp_cli charts --demo --theme "$theme" --size 1280x800 \
        --screenshot "$folder/charts-$theme.png"
done
"$python" -m offramp_cli charts --demo --theme dark --size 1280x800 --page history \
    --screenshot "$folder/charts-history-dark.png"
"$python" -m offramp_cli charts --demo --theme light --size 1280x800 --page quota \
    --screenshot "$folder/charts-quota-light.png"
ls -l "$folder"/charts-*.png
