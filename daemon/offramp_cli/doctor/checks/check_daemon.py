"""Whether the daemon runs, takes commands, and is the one that clients reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.control.client import NotRunningError
from offramp_core.wording.formatting import format_duration, format_moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from offramp_cli.doctor.checks.check_port import Answerer
    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import Status
    from offramp_core.control.client import ControlError

_START = (
    "Start it: `offramp start`, or `offramp install` if you have not yet; `offramp serve` runs "
)
_START += "it in this terminal."


def judge(
    status: Status | None,
    trouble: ControlError | None,
    answerer: Answerer | None,
    *,
    now: datetime,
    zone: tzinfo,
) -> Iterator[Remark]:
    """What `status`, or the lack of it, and the one that answers on the port come to."""
    if status is None:
        yield _without_status(trouble, answerer)
        return
    yield ok(_running_text(status))
    if status.is_stopping:
        yield warning("The daemon is shutting down.", "If you did not stop it: offramp restart")
    if status.settings_problem is not None:
        yield failure(
            "The daemon can't use the settings in the files, so older ones are in force. "
            f"{status.settings_problem}",
            f"Correct {status.settings_file}; the daemon reads it within seconds.",
        )
    if answerer is not None and answerer.pid not in {None, status.pid}:
        yield failure(
            f"Clients at {status.address} reach another Offramp, pid {answerer.pid}.",
            f"End one of the two: kill {answerer.pid}",
        )
    if status.pause is not None:
        until = status.pause.until
        end = f"until {format_moment(until, now, zone)}" if until else "until you resume it"
        yield note(
            f"Delegation is paused {end}: everything goes to Claude.", "To resume: offramp resume"
        )
    if status.records.last_error is not None:
        waiting = f"{status.records.waiting} waiting, {status.records.lost} lost"
        yield failure(
            f"Records can't be written ({status.records.last_error}): {waiting}.",
            "Free some disk space and make the log folder writable; the daemon tries again by "
            "itself.",
        )


def _running_text(status: Status) -> str:
    flying = "1 request" if status.in_flight == 1 else f"{status.in_flight} requests"
    how = "in the foreground"
    if status.supervisor_pid is not None:
        how = f"under its supervisor (pid {status.supervisor_pid})"
    return (
        f"Offramp {status.version} runs {how}, as pid {status.pid} for "
        f"{format_duration(status.uptime_s)}, at {status.address}; {flying} in flight."
    )


def _without_status(trouble: ControlError | None, answerer: Answerer | None) -> Remark:
    if isinstance(trouble, NotRunningError) or trouble is None:
        if answerer is not None:
            pid = f" (pid {answerer.pid})" if answerer.pid else ""
            return warning(
                f"An Offramp answers{pid}, but does not accept your commands.",
                "It may belong to another user, or run with another OFFRAMP_HOME. If it is "
                "yours, start it again.",
            )
        return failure("The daemon is not running.", _START)
    return failure(trouble.title, trouble.hint)
