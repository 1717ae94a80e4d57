#!/bin/sh
# Puts a certificate into a keychain of its own, for a build machine that has no other: codesign
# finds it there and asks nobody. Prints the certificate's name. Runs on macOS only.
#
# Usage: keychain.sh, with MACOS_CERTIFICATE (a .p12 in base64) and MACOS_CERTIFICATE_PASSWORD.
set -eu

folder=${RUNNER_TEMP:-$(mktemp -d)}
keychain=$folder/offramp-signing.keychain-db
password=$(openssl rand -base64 24)
file=$folder/certificate.p12
trap 'rm -f "$file"' EXIT
(umask 077 && printf %s "$MACOS_CERTIFICATE" | openssl base64 -d -A >"$file")

{
    security create-keychain -p "$password" "$keychain"
    security set-keychain-settings -lut 21600 "$keychain"
    security unlock-keychain -p "$password" "$keychain"
    security import "$file" -k "$keychain" -P "$MACOS_CERTIFICATE_PASSWORD" -T /usr/bin/codesign
    security set-key-partition-list -S apple-tool:,apple: -k "$password" "$keychain"
    # codesign looks only in the keychains of this list.
    security list-keychains -d user -s "$keychain" login.keychain
} >/dev/null
identity=$(security find-identity -v -p codesigning "$keychain" | sed -n 's/.*"\(.*\)".*/\1/p' | head -n 1)
if [ -z "$identity" ]; then
    echo "keychain.sh: The certificate holds no identity to sign with." >&2
    exit 1
fi
printf '%s\n' "$identity"
