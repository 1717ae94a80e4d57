#!/bin/sh
# Builds dist/offramp_VERSION_ARCHITECTURE.deb from a finished bundle.
#
# Usage: build.sh [BUNDLE [MAN-PAGES [COMPLETIONS [FOLDER]]]]
# BUNDLE is the folder dist/offramp-VERSION-linux-MACHINE unless given, the others are dist/man,
# dist/completions and dist. The version is the one in the bundle's name. Needs dpkg-deb, and
# dpkg-shlibdeps (Debian: apt-get install dpkg-dev) for a bundle with compiled files in it.
set -eu

absolute() {
    case "$1" in
        /*) echo "$1" ;;
        *) echo "$PWD/$1" ;;
    esac
}
for each; do
    shift
    set -- "$@" "$(absolute "$each")"
done
cd "$(dirname "$0")/../.."

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

own_version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/offramp_core/__init__.py)
bundle=${1:-dist/offramp-$own_version-linux-$(uname -m)}
manuals=${2:-dist/man}
completions=${3:-dist/completions}
folder=${4:-dist}

command -v dpkg-deb >/dev/null || stop "There is no dpkg-deb here. Debian packages are built on Debian or Ubuntu."
[ -x "$bundle/offramp" ] || stop "$bundle holds no bundle. Run: make bundle"
for part in "$manuals/offramp.1" "$completions/bash/offramp"; do
    [ -f "$part" ] || stop "$part is missing. Run: make man completions"
done

version=$(basename "$bundle" | sed -n 's/^offramp-\(.*\)-linux-.*$/\1/p')
[ -n "$version" ] || stop "$bundle is not named offramp-VERSION-linux-MACHINE, so its version is not known."
# As Debian sorts them: a pre-release comes before its release.
version=$(printf '%s' "$version" | sed 's/\.\{0,1\}\(a\|b\|rc\|dev\)\([0-9]\)/~\1\2/')
architecture=$(dpkg --print-architecture)

# Files keep the time of the last commit, so that the same tree gives the same package.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -c safe.directory='*' log -1 --format=%ct 2>/dev/null || date +%s)
fi
export SOURCE_DATE_EPOCH
# Every dpkg reads this one; others are faster (DPKG_DEB_COMPRESSOR_TYPE=gzip).
export DPKG_DEB_COMPRESSOR_TYPE="${DPKG_DEB_COMPRESSOR_TYPE:-xz}"

# published NAME: a value that stays empty in pyproject.toml until somebody publishes Offramp.
published() {
    sed -n '/^\[tool\.offramp\]/,/^\[/s/^'"$1"' *= *"\([^"]*\)".*/\1/p' pyproject.toml
}
maintainer=$(published maintainer)
maintainer=${maintainer:-Offramp contributors <offramp@maintainer.invalid>}
homepage=$(published homepage)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
program=$root/usr/lib/offramp/$version
documents=$root/usr/share/doc/offramp

# place MODE SOURCE TARGET
place() {
    install -D -m "$1" "$2" "$root/$3"
}

place_files() {
    mkdir -p "$(dirname "$program")" "$root/usr/bin"
    cp -a "$bundle" "$program"
    rm -f "$program/install.sh" # it is for those who have only the archive
    chmod -R u=rwX,go=rX "$program"
    find "$program" -type f -name '*.so*' -exec chmod 0644 {} +
    # `current` leads to the version in use; the package's own scripts move it, at once and only to
    # a version that is complete.
    for name in offramp offramp-daemon; do
        [ -e "$program/$name" ] || stop "$bundle has no program $name."
        ln -s "../lib/offramp/current/$name" "$root/usr/bin/$name"
    done
    place 0644 packaging/deb/offramp.desktop usr/share/applications/offramp.desktop
    place 0644 packaging/linux/offramp.svg usr/share/icons/hicolor/scalable/apps/offramp.svg
    place 0644 "$completions/bash/offramp" usr/share/bash-completion/completions/offramp
    place 0644 "$completions/zsh/_offramp" usr/share/zsh/vendor-completions/_offramp
    place 0644 "$completions/fish/offramp.fish" usr/share/fish/vendor_completions.d/offramp.fish
    for page in "$manuals"/*.1; do
        place 0644 "$page" "usr/share/man/man1/$(basename "$page")"
    done
    gzip -9n "$root"/usr/share/man/man1/*.1
    place 0644 packaging/deb/lintian-overrides usr/share/lintian/overrides/offramp
}

# changes: this version's part of CHANGELOG.md, or what is not released yet, as Debian writes it.
changes() {
    printf 'offramp (%s) unstable; urgency=medium\n\n' "$version"
    awk -v version="$own_version" '
        /^## / { inside = index($0, "[" version "]") || (!found && /\[Unreleased\]/); found = found || inside; next }
        !inside { next }
        /^### / { print "  [ " substr($0, 5) " ]"; next }
        /^- / { print "  * " substr($0, 3); next }
        NF { sub(/^ +/, ""); print "    " $0 }' CHANGELOG.md | fold -s -w 72 | sed 's/ *$//; s/^\([^ ]\)/    \1/'
    printf '\n -- %s  %s\n' "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

place_documents() {
    mkdir -p "$documents"
    {
        echo "Offramp $version, built from its own source."
        echo
        cat LICENSE
        echo
        echo "The program in /usr/lib/offramp/$version holds other people's software: Python, Qt and"
        echo "libraries. Their licences are in THIRD-PARTY-LICENSES in that folder."
    } >"$documents/copyright"
    changes | gzip -9n >"$documents/changelog.gz"
    chmod 0644 "$documents"/*
}

# list_compiled: the bundle's compiled files, the libraries that they name and that are not in it, and
# the packages that hold those.
list_compiled() {
    find "$(cd "$bundle" && pwd -P)" -type f \( -name '*.so*' -o -perm /111 \) -exec sh -c '
        for file; do
            [ "$(head -c 4 "$file" | od -An -tx1 | tr -d " ")" != 7f454c46 ] || printf "%s\n" "$file"
        done' sh {} + >"$work/compiled"
    [ -s "$work/compiled" ] || return 0
    for program in dpkg-shlibdeps objdump; do
        command -v "$program" >/dev/null ||
            stop "There is no $program, which finds out what the package depends on. Run: apt-get install dpkg-dev"
    done
    find "$bundle" -name '*.so*' -printf '%f\n' | sort -u >"$work/inside"
    xargs -d '\n' objdump -p <"$work/compiled" | awk '$1 == "NEEDED" { print $2 }' | sort -u |
        comm -23 - "$work/inside" >"$work/missing"
    while read -r library; do
        dpkg-query --search "*/$library" 2>/dev/null ||
            stop "The bundle needs $library, which is neither inside nor in a package of this system."
    done <"$work/missing" >"$work/owners"
    sed 's/:.*//' "$work/owners" | sort -u >"$work/packages"
}

# depends: those packages, in the versions from this system on.
depends() {
    mkdir -p "$work/debian"
    printf 'Source: offramp\n\nPackage: offramp\nArchitecture: any\n' >"$work/debian/control"
    set --
    while read -r file; do
        set -- "$@" "-e$file"
    done <"$work/compiled"
    while read -r private; do
        set -- "$@" "-l$private"
    done <<FOLDERS
$(sed 's,/[^/]*$,,' "$work/compiled" | sort -u)
FOLDERS
    (cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$@" >shlibs 2>shlibdeps.log) ||
        stop "dpkg-shlibdeps failed:" "$(grep error: "$work/shlibdeps.log")"
    # It also names the packages of libraries that the bundle has a copy of.
    sed -n 's/^shlibs:Depends=//p' "$work/shlibs" | sed 's/, /\n/g' |
        awk 'NR == FNR { wanted[$1]; next } $1 in wanted' "$work/packages" - | paste -s -d , | sed 's/,/, /g'
}

write_control() {
    mkdir "$root/DEBIAN"
    list_compiled
    depends=''
    [ ! -s "$work/compiled" ] || depends=$(depends)
    [ ! -s "$work/compiled" ] || [ -n "$depends" ] || stop "What the package depends on is not known."
    {
        echo "Package: offramp"
        echo "Version: $version"
        echo "Architecture: $architecture"
        echo "Maintainer: $maintainer"
        echo "Installed-Size: $(du -k -s "$root/usr" | cut -f 1)"
        [ -z "$depends" ] || echo "Depends: $depends"
        echo "Recommends: dbus-user-session, libpam-systemd, xdg-utils"
        echo "Suggests: gnome-keyring, gnome-shell-extension-appindicator"
        echo "Section: net"
        echo "Priority: optional"
        [ -z "$homepage" ] || echo "Homepage: $homepage"
        cat packaging/deb/description
    } >"$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    for script in postinst prerm postrm; do
        sed "s/@VERSION@/$version/" "packaging/deb/$script" >"$root/DEBIAN/$script"
        chmod 0755 "$root/DEBIAN/$script"
    done
}

place_files
place_documents
write_control
find "$root" -type d -exec chmod 0755 {} +
mkdir -p "$folder"
package=$folder/offramp_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
