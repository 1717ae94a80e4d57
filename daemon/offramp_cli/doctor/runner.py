"""Runs the checks side by side, each within its time limit.

Each has a thread that does not keep the process from ending: a look-up of a name, say, can't be
broken off.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import Finding, Remark, failure
from offramp_core.errors import OfframpError
from offramp_core.redaction import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LIMIT_S = 7.0
"""For all checks together: with what is looked at before them the whole takes less than 10 s."""

UNANSWERED_CURE = "Try again. If it happens again, what this check asks does not respond."


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its name, which never changes its meaning, and how it is made."""

    name: str
    group: str
    run: Callable[[], Iterable[Remark]]
    cure_for_silence: str = UNANSWERED_CURE
    """What to do if it does not end in time."""


def run_all(checks: Sequence[Check], *, limit_s: float = LIMIT_S) -> list[Finding]:
    """Run all of them at once; return their findings in their order, after `limit_s` at most."""
    started_s = time.monotonic()
    done: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    for check in checks:
        threading.Thread(
            target=_run, args=(check, done, started_s), name=f"doctor {check.name}", daemon=True
        ).start()
    found: dict[str, Finding] = {}
    while len(found) < len(checks):
        left_s = started_s + limit_s - time.monotonic()
        try:
            finding = done.get(timeout=max(left_s, 0))
        except queue.Empty:
            break
        found[finding.name] = finding
    return [found.get(check.name) or _silent(check, limit_s) for check in checks]


def _run(check: Check, done: queue.SimpleQueue[Finding], started_s: float) -> None:
    try:
        remarks = tuple(check.run())
    except OfframpError as error:
        remarks = (failure(error.title, error.hint or "Fix that, then run the doctor again."),)
    except Exception as error:  # noqa: BLE001 - one check's own fault must not hide the others
        text = mask_credentials(f"{type(error).__name__}: {error}")
        remarks = (failure(f"The check itself failed ({text}).", "Please report this."),)
    done.put(
        Finding(
            name=check.name,
            group=check.group,
            remarks=remarks,
            took_s=time.monotonic() - started_s,
        )
    )


def _silent(check: Check, limit_s: float) -> Finding:
    remark = failure(f"No answer within {limit_s:g} s.", check.cure_for_silence)
    return Finding(name=check.name, group=check.group, remarks=(remark,), took_s=limit_s)
