"""Everything that Offramp wrote for this user, for `uninstall --purge`: found, then removed.

Links are never followed: what a link leads to is somebody else's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core import control_place, log_names
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offramp_core.log_names import LogName
    from offramp_core.paths import Paths

_DIAGNOSTICS = ("*.log", "*.log.*")
_MONTHS = ("*.folded*",)
_RUNTIME = ("*.sock", "*.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgePlan:
    """What there is to remove, and what stays because it may not be ours."""

    doomed: tuple[Path, ...]
    """Files, and folders that go with all that is in them."""
    staying: tuple[Path, ...]
    """Links in the place of our folders."""
    emptied: tuple[Path, ...]
    """Folders that go too if nothing is left in them."""


def find(paths: Paths, *, log_dir: Path | None, is_exclusive: bool, machine: str = "") -> PurgePlan:
    """Look for our files below `paths`, and in `log_dir` where the user chose one.

    `is_exclusive` says that the folders are ours by name, so that they go whole. Else, and in
    `log_dir`, only files go whose names are ours; in `log_dir` only those of `machine`. Where
    `machine` is a name, the files of others stay in the usual folder too: what a shared folder
    loses here, a synchroniser takes from them as well.
    """
    folders = dict.fromkeys(
        (
            paths.config_dir,
            paths.log_dir,
            paths.data_dir,
            paths.diagnostics_dir,
            paths.folded_months,
            paths.cache_dir,
            paths.runtime_dir,
        )
    )
    present = [folder for folder in folders if folder.is_dir() or folder.is_symlink()]
    staying = tuple(folder for folder in present if folder.is_symlink())
    real = [folder for folder in present if folder not in staying]
    others = _of_others(log_dir or paths.log_dir, machine)
    whole = [folder for folder in real if is_exclusive and not _holds(folder, others)]
    named = _named(paths, [folder for folder in real if folder not in whole])
    doomed = [*whole, *(path for path in named if path not in others)]
    if log_dir is not None and log_dir.is_dir() and log_dir not in folders:
        doomed += [path for path, name in _log_files(log_dir) if name.machine == machine]
    socket = paths.control_socket
    if socket.parent != paths.runtime_dir and socket.is_socket():
        doomed.append(socket)
    # Only where it carries our name, or the demo's.
    names = [control_place.app_name(is_demo=is_demo) for is_demo in (False, True)]
    parents = [folder.parent for folder in real if folder.parent.name in names]
    emptied = (*real, *dict.fromkeys(parents)) if doomed else ()
    return PurgePlan(doomed=_outermost(doomed), staying=staying, emptied=emptied)


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it; nothing if it is gone already.

    Raises:
        OSError: it can't be deleted, or not all of it.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove(found: PurgePlan) -> None:
    """Remove all that was found.

    Raises:
        OfframpError: something can't be removed; what comes after it is still there.
    """
    for path in found.doomed:
        try:
            delete(path)
        except OSError as error:
            raise OfframpError(
                f"{error.filename or path} can't be removed: {error.strerror}.",
                hint="Check the permissions of its folder, then run this again.",
            ) from error
    for folder in found.emptied:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _named(paths: Paths, folders: list[Path]) -> Iterator[Path]:
    """The files in `folders` whose names are ours."""
    names = {
        paths.config_dir: (
            paths.config_file.name,
            paths.env_file.name,
            paths.keys_file.name,
            paths.claude_code_file.name,
        ),
        paths.log_dir: (),
        paths.data_dir: (
            paths.delegation_file.name,
            paths.quota_file.name,
            f"{paths.quota_file.name}.lock",
            paths.troubles_file.name,
            f"{paths.troubles_file.name}.lock",
            paths.account_salt_file.name,
            paths.machine_id_file.name,
            paths.autopilot_file.name,
            paths.tray_said_file.name,
            paths.model_fallbacks_file.name,
            paths.charts_selection_file.name,
            paths.charts_window_file.name,
            paths.setup_offered_file.name,
        ),
        paths.diagnostics_dir: _DIAGNOSTICS,
        paths.folded_months: _MONTHS,
        paths.cache_dir: (),
        paths.runtime_dir: _RUNTIME,
    }
    for folder in folders:
        yield from _matching(folder, names[folder])
    if paths.log_dir in folders:
        yield from (path for path, _ in _log_files(paths.log_dir))


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def _log_files(folder: Path) -> list[tuple[Path, LogName]]:
    """The files of the log in `folder`, every machine's, with what their names say."""
    if not folder.is_dir():
        return []
    paths = log_names.find(folder, *log_names.KINDS)
    return [(path, name) for path in paths if (name := log_names.parse(path.name))]


def _of_others(folder: Path, machine: str) -> set[Path]:
    """The files in `folder` that are not `machine`'s; none where no other machine has a name."""
    files = _log_files(folder) if machine else []
    if all(name.machine in ("", machine) for _, name in files):
        return set()
    return {path for path, name in files if name.machine != machine}


def _holds(folder: Path, files: set[Path]) -> bool:
    return any(folder in file.parents for file in files)


def _outermost(paths: list[Path]) -> tuple[Path, ...]:
    """Without what lies below another one."""
    return tuple(path for path in paths if not any(parent in paths for parent in path.parents))
