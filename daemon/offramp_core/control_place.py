"""Where the daemon's control socket is: strings only, and nothing imported that takes time.

`offramp statusline` runs several times a minute, so it can't afford what `Paths` loads. `Paths`
takes the same rules from here.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False  # to import typing for it takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Mapping

HOME_VARIABLE = "OFFRAMP_HOME"
"""Environment variable that puts every folder under one root (tests, portable set-ups)."""

CONTROL_SOCKET = "control.sock"
DEMO_FOLDER = "demo"
"""Where the demo lives below the folder of `HOME_VARIABLE`."""

_SOCKET_PATH_BYTES = 100
"""The longest path that a Unix socket has on every system (macOS: 104 bytes with its end)."""


def control_socket(
    environ: Mapping[str, str], *, is_demo: bool = False, platform: str = sys.platform
) -> str:
    """Return what `Paths.control_socket` is for the same user."""
    home = environ.get(HOME_VARIABLE)
    if home:
        root = os.path.expanduser(home)  # noqa: PTH111 - pathlib takes as long as all the rest
        folder = _below(root, DEMO_FOLDER, "run") if is_demo else _below(root, "run")
    else:
        name = app_name(is_demo=is_demo)
        folder = runtime_dir(environ, name, _data_dir(environ, name, platform), platform)
    return short(_as_path(_below(folder, CONTROL_SOCKET)))


def app_name(*, is_demo: bool) -> str:
    """Return what our folders are called; the demo's share nothing with the user's own."""
    return "offramp-demo" if is_demo else "offramp"


def runtime_dir(environ: Mapping[str, str], name: str, data_dir: str, platform: str) -> str:
    """Return our folder below the session's private one if there is a good one, else our own.

    Never one below a shared folder such as /tmp, where another user could have made it before.
    """
    # launchd knows no session's folder: a shell that sets one would look in another place.
    session = None if platform == "darwin" else environ.get("XDG_RUNTIME_DIR")
    if session and _is_private(session):
        return _below(session, name)
    return _below(data_dir, "run")


def short(socket: str) -> str:
    """Return `socket` or, if its path is too long for one, a short path that stands for it."""
    name = os.fsencode(socket)
    if len(name) <= _SOCKET_PATH_BYTES:
        return socket
    import hashlib  # loads OpenSSL, which is most of a small command's start

    digest = hashlib.sha256(name).hexdigest()[:16]
    return f"/tmp/offramp-{os.geteuid()}/{digest}.sock"


def _data_dir(environ: Mapping[str, str], name: str, platform: str) -> str:
    """Return what platformdirs says, which takes longer to load than all else here."""
    folder = environ.get("XDG_DATA_HOME", "")
    if not folder.startswith("/"):
        below = "Library/Application Support" if platform == "darwin" else ".local/share"
        folder = _below(_home(environ), below)
    return _below(folder, name)


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return home
    import pwd  # only where HOME is of no use

    return pwd.getpwuid(os.getuid()).pw_dir


def _is_private(folder: str) -> bool:
    try:
        found = os.stat(folder)  # noqa: PTH116 - may not be a path at all
    except (OSError, ValueError):
        return False
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return is_own and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _as_path(text: str) -> str:
    """Write `text` as pathlib does, for the short name of a long path depends on each character."""
    root = text[: len(text) - len(text.lstrip("/"))]
    names = (name for name in text.split("/") if name not in {"", "."})
    return ("//" if root == "//" else root[:1]) + "/".join(names)


def _below(folder: str, *names: str) -> str:
    return os.path.join(folder, *names)  # noqa: PTH118 - pathlib takes as long as all the rest
