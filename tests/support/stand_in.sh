#!/bin/sh
# Stands in for a program of the system's, by whose name it is called: it writes down what it was
# asked, beside its folder, and answers as on a machine that has no such service.
name=${0##*/}
printf '%s\n' "$name $*" >>"${0%/*}/../ran"

# refuse CODE TEXT
refuse() {
    printf '%s\n' "$2" >&2
    exit "$1"
}

case $name in
    launchctl) refuse 125 "Domain does not support specified action" ;;
    systemctl | loginctl | systemd-run | busctl)
        refuse 1 "Failed to connect to bus: No medium found"
        ;;
    gdbus | dbus-send) refuse 1 "Failed to connect: no session bus" ;;
    security)
        refuse 44 "security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain."
        ;;
    secret-tool) refuse 1 "" ;;
    defaults) refuse 1 "The domain/default pair does not exist" ;;
    scutil) printf '<dictionary> {\n}\n' ;;
    pbcopy | wl-copy | xclip | xsel) cat >/dev/null ;;
esac
exit 0
