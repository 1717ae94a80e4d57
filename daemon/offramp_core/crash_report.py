"""Keeps credentials out of what a crash leaves on standard error: a terminal, a journal, a file.

An exception's text may quote what it stumbled over.
"""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


def install(redact: Callable[[str], str]) -> None:
    """Pass the traceback of each exception that nobody caught through `redact`, in any thread."""

    def write(
        kind: type[BaseException],
        error: BaseException | None,
        trace: TracebackType | None,
        where: str = "",
    ) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        if sys.stderr is not None:  # as where a service manager closed it
            sys.stderr.write(redact(f"{where}{text}"))
            sys.stderr.flush()

    def write_of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "?"
            write(args.exc_type, args.exc_value, args.exc_traceback, f"In thread {name}: ")

    def write_ignored(args: sys.UnraisableHookArgs) -> None:
        what = args.err_msg or "Exception ignored in"
        write(args.exc_type, args.exc_value, args.exc_traceback, f"{what}: {args.object!r}\n")

    sys.excepthook = write
    threading.excepthook = write_of_thread
    sys.unraisablehook = write_ignored
