"""The files that a login item consists of on Linux, with `{names}` for what is filled in.

They live in `packaging/linux`, where a packager looks for them; links beside this module let a
checkout and a wheel find them alike.
"""

from __future__ import annotations

from importlib import resources


def text(name: str) -> str:
    """Return the template of the file `name`."""
    return (resources.files("offramp_core.login_item") / name).read_text(encoding="utf-8")
