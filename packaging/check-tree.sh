#!/bin/sh
# Checks that no file under version control holds what belongs to one machine only: a package
# registry's host, a build machine's path, a lock file with addresses in it.
#
# Not in the tree either: packaging/__init__.py, which would shadow the library of that name.
set -eu
cd "$(dirname "$0")/.."

if [ ! -e .git ] || ! command -v git >/dev/null 2>&1; then
    echo "check-tree: no git checkout, or no git: nothing was checked."
    exit 0
fi

# The checkout may belong to another user (a container's mount, say); reading it is safe.
in_git() {
    git -c safe.directory='*' "$@"
}

status=0
# refuse WHAT LINES
refuse() {
    if [ -n "$2" ]; then
        printf '%s:\n%s\n' "$1" "$2" >&2
        status=1
    fi
}

# matches PATTERN [PATHSPEC...]: the lines that match, in files that are tracked or could be.
matches() {
    pattern=$1
    shift
    in_git grep --untracked -nIE -e "$pattern" -- "$@" || [ $? -eq 1 ]
}

hosts='pypi[.]org|pythonhosted[.]org|npmjs[.](org|com)|yarnpkg[.]com'
folders='(^|[^A-Za-z0-9_.])/(work|farm)/'
locks='(^|/)(uv|poetry|Pipfile|pdm|yarn)[.]lock$|(^|/)(package-lock|npm-shrinkwrap)[.]json$'
inits='^(tests/)?packaging/__init__[.]py$'

found=$(matches "$hosts" .)
refuse "Package registry hosts" "$found"
found=$(matches "$folders" .)
refuse "Paths of a build machine" "$found"
found=$(matches '://|^--(index|extra|find|trusted)|^-[if] ' constraints)
refuse "Addresses or index options in the pins" "$found"
files=$(in_git ls-files --cached --others --exclude-standard)
refuse "Lock files (they hold registry addresses)" "$(printf '%s\n' "$files" | grep -E "$locks" || true)"
refuse "Files that shadow the library packaging" "$(printf '%s\n' "$files" | grep -E "$inits" || true)"
exit $status
