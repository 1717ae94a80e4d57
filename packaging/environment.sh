# Sourced by setup.sh and install.sh: makes an environment from the pinned packages.
#
# The caller runs in the checkout's top folder and sets: log, the file for the tools' output;
# again, the command to type once what went wrong is cured.
# shellcheck shell=sh

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0

version_of() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || true
}

# logged WHAT COMMAND...: run it into the log; when it fails, show the end and what to do.
logged() {
    what=$1
    shift
    if "$@" >>"$log" 2>&1; then
        return
    fi
    {
        echo
        tail -n 12 "$log"
        echo
        echo "Stopped: $what failed (see $log)."
        if grep -qiE 'connection|timed out|resol|proxy|ssl' "$log"; then
            echo "Couldn't reach the package index. Check the network, HTTPS_PROXY behind a"
            echo "proxy, or pip's own settings (pip config list), then run $again again."
        fi
    } >&2
    exit 1
}

# Without a writable home pip has no cache, and warns about it at every step.
choose_pip_cache() {
    if [ -z "${PIP_CACHE_DIR:-}" ] && [ ! -w "${HOME:-/nonexistent}" ]; then
        PIP_CACHE_DIR=$(pwd -P)/.cache/pip
        export PIP_CACHE_DIR
    fi
}

# Sets python: the interpreter to make environments with.
find_python() {
    if python=$(sh packaging/find-python.sh "${PYTHON:-}"); then
        return
    fi
    if [ -n "${PYTHON:-}" ]; then
        exit 1
    fi
    sh packaging/system-packages.sh python
    python=$(sh packaging/find-python.sh)
}

# make_environment FOLDER: an empty environment with a pip of its own.
make_environment() {
    rm -rf "$1"
    if "$python" -c 'import venv; from ensurepip import version' 2>/dev/null; then
        logged "making $1" "$python" -m venv "$1"
        return
    fi
    # Debian ships venv's other half, ensurepip, apart. A pip of its own does as well.
    if "$python" -m venv --without-pip "$1" >>"$log" 2>&1 &&
        "$python" -m pip --python "$1/bin/python" --version >>"$log" 2>&1; then
        logged "installing pip" "$python" -m pip --python "$1/bin/python" install \
            --require-hashes --no-deps --only-binary :all: -r constraints/build.txt
        return
    fi
    sh packaging/system-packages.sh venv \
        "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    rm -rf "$1"
    logged "making $1" "$python" -m venv "$1"
}

# install_packages FOLDER PINS
install_packages() {
    # The build tools come first: one package has no wheel, and is built with the pinned
    # setuptools instead of whatever is newest.
    logged "installing the build tools" "$1/bin/python" -m pip install \
        --require-hashes --only-binary :all: -r constraints/build.txt
    logged "installing the pinned packages" "$1/bin/python" -m pip install \
        --require-hashes --no-build-isolation -r "$2"
}

# install_offramp FOLDER ARGUMENT...: from the checkout.
install_offramp() {
    folder=$1
    shift
    logged "installing Offramp into $folder" "$folder/bin/python" -m pip install \
        --no-deps --no-build-isolation "$@"
    logged "checking that the pins fit pyproject.toml (make lock updates them)" \
        "$folder/bin/python" -m pip check
}
