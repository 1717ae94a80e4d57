"""Which files that may hold a secret can be read, or replaced, by other users of this machine."""

from __future__ import annotations

import shlex
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import ok, warning
from offramp_core.config.toml_file import read_values
from offramp_core.config.values import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from offramp_cli.doctor.finding import Remark
    from offramp_core.paths import Paths

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """One file or folder and its permission bits."""

    path: Path
    mode: int
    is_folder: bool


def look(paths: Paths) -> tuple[OpenFile, ...]:
    """Those that others may use, of the ones that are there."""
    return tuple(
        found
        for path in (paths.config_dir, *_files(paths))
        if (found := _stat(path)) is not None
        and found.mode & (_OTHERS_WRITE if found.is_folder else _OTHERS)
    )


def judge(open_files: Sequence[OpenFile], paths: Paths) -> Iterator[Remark]:
    """A warning for each of `open_files`."""
    if not open_files:
        yield ok(f"Only you can read the files in {paths.config_dir} that may contain keys.")
    for found in open_files:
        if found.is_folder:
            yield warning(
                f"{found.path} can be changed by other users (mode {found.mode:04o}).",
                f"chmod 700 {shlex.quote(str(found.path))}",
            )
        else:
            yield warning(
                f"{found.path} may contain a key and is open to other users "
                f"(mode {found.mode:04o}).",
                f"chmod 600 {shlex.quote(str(found.path))}",
            )


def _files(paths: Paths) -> tuple[Path, ...]:
    always = (paths.env_file, paths.config_dir / "keys.json")
    return (paths.config_file, *always) if _holds_secret(paths.config_file) else always


def _holds_secret(config_file: Path) -> bool:
    """Return whether `config_file` holds a key; one that can't be read may hold one."""
    try:
        found = read_values(config_file)
    except ConfigError:
        return True
    with_key_env = {f"backend.{name}.key" for name in found.with_key_env}
    return any(given.is_secret for name, given in found.values.items() if name not in with_key_env)


def _stat(path: Path) -> OpenFile | None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return OpenFile(path=path, mode=stat.S_IMODE(mode), is_folder=stat.S_ISDIR(mode))
