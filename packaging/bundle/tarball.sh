#!/bin/sh
# Packs the bundle that `make bundle` built into dist/NAME.tar.gz, with its installer inside.
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/offramp_core/__init__.py)
name=offramp-$version-linux-$(uname -m)
if [ ! -x "dist/$name/offramp" ]; then
    echo "There is no dist/$name: run make bundle first." >&2
    exit 1
fi
# Everybody may unpack it; nothing in it belongs to the user who built it.
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
    --use-compress-program='gzip -9n' -C dist -cf "dist/$name.tar.gz.new" "$name"
mv "dist/$name.tar.gz.new" "dist/$name.tar.gz"
echo "Packed dist/$name.tar.gz: $(du -m "dist/$name.tar.gz" | cut -f 1) MB."
