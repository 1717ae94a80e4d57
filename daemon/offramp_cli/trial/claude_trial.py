"""Runs the installed Claude Code once, and finds out in the request log who served it.

It is the user's own program with the user's own login, which Offramp never reads. It runs in an
empty folder, so that it reads no project, and with no key of Offramp's.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from offramp_cli.trial.result import TrialResult
from offramp_core.claude_settings import claude_program
from offramp_core.redaction import mask_credentials
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.usage.log_reader import LogReader
from offramp_core.wording.formatting import backend_name, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from offramp_core.usage.records import DetailRecord

_MODEL = "opus"
"""Always Claude's own: no route is for it unless the user made one."""
_PROMPT = "Reply with the one word: ready"
_LIMIT_S = 120.0
_RECORD_LIMIT_S = 3.0
_POLL_S = 0.05
_MOST_LETTERS = 300
_LEFT_OUT = frozenset({f"{DELEGATE.name.upper()}_API_KEY", "CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"})
"""Offramp's key, and what would have Claude Code take this for a call of its own."""


def run(
    environ: Mapping[str, str],
    home: Path,
    log_dir: Path,
    *,
    machine: str = "",
    limit_s: float = _LIMIT_S,
) -> TrialResult:
    """Try it; blocks until Claude Code has ended, for `limit_s` at most.

    `machine` is this one's name in `log_dir`: what others record there meanwhile proves nothing.

    Raises:
        OfframpError: the request log can't be read.
    """
    found = claude_program.find(environ, home)
    if found is None:
        return _failed(
            "Claude Code is not installed: there is no program `claude` on the PATH.",
            "Install it, then try again.",
        )
    log = LogReader(log_dir, machine=machine)
    log.skip_to_end()
    try:
        done = _run_claude(found.path, environ, limit_s)
    except subprocess.TimeoutExpired:
        return _failed(
            f"Claude Code did not finish within {limit_s:g} s.",
            f'Try it in a terminal: claude -p "{_PROMPT}"',
        )
    except OSError as error:
        return _failed(f"{found.path} can't be started: {error.strerror or error}.")
    records = _new_records(log, limit_s=_RECORD_LIMIT_S)
    return _judge(done, records)


def _run_claude(
    path: Path, environ: Mapping[str, str], limit_s: float
) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    with tempfile.TemporaryDirectory(prefix="offramp-try-") as folder:
        return subprocess.run(
            [str(path), "-p", "--model", _MODEL, _PROMPT],
            env={**kept, "DISABLE_AUTOUPDATER": "1"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
        )


def _new_records(log: LogReader, *, limit_s: float) -> list[DetailRecord]:
    """What came into the log since; the daemon writes it a moment after the answer."""
    deadline_s = time.monotonic() + limit_s
    while True:
        found = [record for part in log.read_details() for record in part]
        if found or time.monotonic() > deadline_s:
            return found
        time.sleep(_POLL_S)


def _judge(done: subprocess.CompletedProcess[bytes], records: list[DetailRecord]) -> TrialResult:
    if done.returncode:
        said = " ".join(done.stdout.decode(errors="replace").split())[:_MOST_LETTERS]
        words = printable(mask_credentials(said))
        return _failed(
            f"Claude Code ended with {done.returncode}{f': {words}' if words else ''}",
            "Check whether it works in a terminal: claude",
        )
    served = dict.fromkeys(
        (record.backend, record.served_model or record.model or "a model")
        for record in records
        if record.status == "success" and record.backend is not None
    )
    if not served:
        return _failed(
            "Claude Code answered, but none of its requests went through Offramp.",
            "Connect it: offramp connect",
        )
    by = ", ".join(
        f"{backend_name(backend or '')} served {printable(model)}" for backend, model in served
    )
    return TrialResult(
        of=ANTHROPIC, outcome="ok", text=f"Claude Code got an answer through Offramp: {by}."
    )


def _failed(text: str, hint: str = "") -> TrialResult:
    return TrialResult(of=ANTHROPIC, outcome="failed", text=text, hint=hint)
