#!/bin/sh
# Makes what a Mac's user downloads from dist/Offramp.app: a zip, and where there is a certificate
# a disk image too, both signed and known to Apple (notarised). Runs on macOS only.
#
# Usage: package.sh, with these variables, all or none of them:
#   SIGNING_IDENTITY   the certificate's name, "Developer ID Application: ..."
#   NOTARY_KEY         the file of a key of App Store Connect (.p8)
#   NOTARY_KEY_ID, NOTARY_ISSUER   the key's id, and whose it is
set -eu
cd "$(dirname "$0")/../.."

if [ "$(uname)" != Darwin ]; then
    echo "package.sh: This needs macOS: codesign, ditto and hdiutil." >&2
    exit 1
fi
app=dist/Offramp.app
if [ ! -d "$app" ]; then
    echo "package.sh: There is no $app. Build it first: make bundle" >&2
    exit 1
fi

given= missing=
for name in SIGNING_IDENTITY NOTARY_KEY NOTARY_KEY_ID NOTARY_ISSUER; do
    eval "value=\${$name:-}"
    if [ -n "$value" ]; then given="$given $name"; else missing="$missing $name"; fi
done
if [ -n "$given" ] && [ -n "$missing" ]; then
    echo "package.sh: Set all of the variables or none. Missing:$missing" >&2
    exit 1
fi

version=$(defaults read "$PWD/$app/Contents/Info" CFBundleShortVersionString)
name=offramp-$version-macos-$(uname -m)

for file in LICENSE THIRD-PARTY-LICENSES; do
    cp "dist/$name/$file" "$app/Contents/Resources/"
done
# What a login item starts: the bundle's program, by another name.
ln -sf offramp "$app/Contents/MacOS/offramp-daemon"

# zip_app: ditto keeps the links in the app, and what signatures need.
zip_app() {
    rm -f "dist/$name.zip"
    ditto -c -k --keepParent "$app" "dist/$name.zip"
}

# notarise FILE
notarise() {
    xcrun notarytool submit "$1" --wait --timeout 30m \
        --key "$NOTARY_KEY" --key-id "$NOTARY_KEY_ID" --issuer "$NOTARY_ISSUER"
}

if [ -z "$given" ]; then
    # A Mac with Apple's processor runs nothing without a signature: one without a name will do.
    codesign --force --sign - "$app"
    codesign --verify --deep --strict "$app"
    zip_app
    echo "dist/$name.zip: not signed, because there is no certificate."
    exit 0
fi

# PyInstaller has signed what is inside, with the same certificate.
codesign --force --options runtime --timestamp --entitlements packaging/macos/entitlements.plist \
    --sign "$SIGNING_IDENTITY" "$app"
codesign --verify --deep --strict "$app"
zip_app
notarise "dist/$name.zip"
xcrun stapler staple "$app"
zip_app

image=$(mktemp -d)
trap 'rm -rf "$image"' EXIT
ditto "$app" "$image/Offramp.app"
ln -s /Applications "$image/Applications"
hdiutil create -volname Offramp -srcfolder "$image" -ov -format UDZO "dist/$name.dmg"
codesign --force --timestamp --sign "$SIGNING_IDENTITY" "dist/$name.dmg"
notarise "dist/$name.dmg"
xcrun stapler staple "dist/$name.dmg"
spctl --assess --type open --context context:primary-signature --verbose "dist/$name.dmg"
echo "dist/$name.dmg and dist/$name.zip: signed and notarised."
