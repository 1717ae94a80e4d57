"""Every place where the daemon or the tray lets text out is known, with what keeps it clean.

A new one makes this test fail: say here what keeps credentials and content out of it.
"""

from __future__ import annotations

import re
from pathlib import Path

import offramp_daemon

ROOT = Path(offramp_daemon.__file__).parents[2]
FOLDERS = ("daemon/offramp_daemon", "tray/offramp_tray")
SINKS = {
    "log handler": r"\.addHandler\(",
    "standard streams": r"sys\.std(?:err|out)\b|(?<![\w.])print\(",
    "file": r"JsonlLog\(\s*$|JsonlLog\((?!Gen)|atomic_file\.(?:replace|write|create)\(|"
    r"\.append\(data\)|\.write_(?:text|bytes)\(|\.open\(\"[wax]",
    "answer": r"web\.(?:json_response|Response)\(|StreamResponse\(\w",
    "service manager": r"sendto\(",  # or the kernel
}

REDACTED = "passes a Redactor that knows all configured secrets"
MASKED = "masks what looks like a credential"
OWN_WORDS = "holds only fixed words and numbers"
NAMES = "holds names that Exchange.kept or the settings gave, times and numbers"
HASHES = "holds hashes"
FAILURE = "is a Failure, whose service's words were redacted when they were read"
KNOWN = {
    ("daemon/offramp_daemon/autopilot/costs/state_file.py", "file"): NAMES,
    ("daemon/offramp_daemon/control/health_report.py", "answer"): OWN_WORDS,
    ("daemon/offramp_daemon/control/local_page.py", "answer"): NAMES,
    ("daemon/offramp_daemon/control/metrics_page.py", "answer"): NAMES,
    ("daemon/offramp_daemon/control/server.py", "answer"): REDACTED,
    ("daemon/offramp_daemon/proxy/entry.py", "answer"): FAILURE,
    ("daemon/offramp_daemon/proxy/handler.py", "answer"): OWN_WORDS,
    ("daemon/offramp_daemon/proxy/responses.py", "answer"): FAILURE,
    ("daemon/offramp_daemon/quota/account_ids.py", "file"): HASHES,
    ("daemon/offramp_daemon/quota/history_log.py", "file"): NAMES,
    ("daemon/offramp_daemon/quota/state_file.py", "file"): NAMES,
    ("daemon/offramp_daemon/recording/diagnostics.py", "file"): REDACTED,
    ("daemon/offramp_daemon/recording/diagnostics.py", "log handler"): REDACTED,
    ("daemon/offramp_daemon/recording/diagnostics.py", "standard streams"): REDACTED,
    ("daemon/offramp_daemon/recording/event_log.py", "file"): NAMES,
    ("daemon/offramp_daemon/recording/request_log.py", "file"): REDACTED,
    ("daemon/offramp_daemon/routing/fallback_file.py", "file"): NAMES,
    ("daemon/offramp_daemon/routing/pause.py", "file"): OWN_WORDS,
    ("daemon/offramp_daemon/run.py", "standard streams"): REDACTED,
    ("daemon/offramp_daemon/server/tcp_owner_linux.py", "service manager"): OWN_WORDS,
    ("daemon/offramp_daemon/supervisor/sd_notify.py", "service manager"): OWN_WORDS,
    ("daemon/offramp_daemon/supervisor/start_failure.py", "standard streams"): OWN_WORDS,
    ("daemon/offramp_daemon/supervisor/supervisor.py", "standard streams"): OWN_WORDS,
    ("daemon/offramp_daemon/trouble/state_file.py", "file"): NAMES,
    ("tray/offramp_tray/command.py", "standard streams"): OWN_WORDS,
    ("tray/offramp_tray/logging_setup.py", "log handler"): MASKED,
    ("tray/offramp_tray/state/said_notifications.py", "file"): NAMES,
}


def test_each_place_that_lets_text_out_is_known() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), sink)
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for sink, pattern in SINKS.items()
        if re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == KNOWN.keys()
