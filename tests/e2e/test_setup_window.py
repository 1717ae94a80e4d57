"""The set-up window's last step with the real Claude Code: it runs once, and says who served."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import qt_presence
from claude_code import FOLDER
from daemon_process import daemon_process, environment, free_port
from keyring_harness import NONE
from proxy_harness import ZAI_KEY

if TYPE_CHECKING:
    from claude_code import ClaudeCode

    from offramp_simulator import Simulator

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(qt_presence.PROBLEM is not None, reason=str(qt_presence.PROBLEM)),
]

DRIVER = Path(qt_presence.__file__).with_name("setup_driver.py")


async def walk(environ: dict[str, str], *steps: str) -> dict[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(DRIVER), *steps),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return dict(json.loads(out))


async def test_claude_code_runs_once_through_the_daemon(
    claude: ClaudeCode, sim: Simulator, tmp_path: Path
) -> None:
    own = {
        "ZAI_BASE_URL": sim.zai_url,
        "ANTHROPIC_BASE_URL": sim.anthropic_url,
        "PORT": str(free_port()),
    }
    environ = environment(
        tmp_path,
        PATH=os.pathsep.join((str((FOLDER / claude.version).resolve()), os.environ["PATH"])),
        HOME=str(tmp_path),
        TYPED=ZAI_KEY,
        QT_QPA_PLATFORM="offscreen",
        PYTHON_KEYRING_BACKEND=NONE,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        HTTPS_PROXY="http://127.0.0.1:9",
        NO_PROXY="localhost,127.0.0.1",
        **own,
    )
    async with daemon_process(tmp_path, port=int(own["PORT"]), **own) as daemon:
        said = await walk(environ, "key=TYPED", "connect", "try-claude")
        records = daemon.records

    assert said["connect"].startswith("done: ")
    assert said["try-claude"].startswith("done: Z.ai answered through Offramp.")
    assert "Claude" in said["try-claude"].splitlines()[1]
    assert records
    assert {record.status for record in records} == {"success"}
