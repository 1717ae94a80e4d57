"""What a crash leaves on standard error says what happened, and holds no credential."""

from __future__ import annotations

import subprocess
import sys

import pytest
from daemon_process import SOURCES
from patience import PATIENCE_S

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"
OTHER = "plainKeyOfNoKnownShapeAtAll0815"
CRASHES = {
    "main": "raise ValueError(SAID)",
    "cause": "try:\n    {}[SAID]\nexcept KeyError as e:\n    raise ValueError('x') from e",
    "group": "raise ExceptionGroup(SAID, [ValueError(SAID)])",
    "thread": "t = threading.Thread(target=lambda: int(SAID)); t.start(); t.join()",
    "ignored": "class C:\n    def __del__(self):\n        raise ValueError(SAID)\nC()",
}


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("spelt", [KEY, OTHER, f"Bearer {KEY}", OTHER.replace("p", "\\u0070")])
def test_crash_is_reported_without_credentials(crash: str, spelt: str) -> None:
    program = (
        "import sys, threading\n"
        "from offramp_core import crash_report\n"
        "from offramp_core.redaction import Redactor\n"
        "SAID = sys.stdin.read()\n"
        f"crash_report.install(Redactor([{OTHER!r}]).redact)\n{CRASHES[crash]}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        input=spelt,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": SOURCES},
        check=False,
        timeout=PATIENCE_S,
    )
    assert "ValueError" in ended.stderr
    assert "***" in ended.stderr
    for secret in (KEY, OTHER, spelt):
        assert secret not in ended.stderr
