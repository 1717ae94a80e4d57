"""`offramp doctor` with a login item in a real `systemd --user`: whole, and broken in each way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import free_port
from installed_offramp import InstalledOfframp
from proxy_harness import ZAI_KEY
from user_systemd import Ending, UserSystemd, user_systemd

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_simulator import Simulator

pytestmark = pytest.mark.root

NOTES = {"keyring", "tray", "claude", "claude-login", "claude-features", "login-item"}
"""What this bare home lacks, or that is a note anywhere."""


@dataclass
class Patient:
    """An installed Offramp in its user's session, to be looked at."""

    systemd: UserSystemd
    offramp: InstalledOfframp

    async def run(self, *arguments: str, stdin: bytes | None = None, **variables: str) -> Ending:
        return await self.systemd.run(self.offramp.command, *arguments, stdin=stdin, **variables)

    async def findings(self, *names: str, **variables: str) -> dict[str, dict[str, Any]]:
        only = [argument for name in names for argument in ("--only", name)]
        ending = await self.run("doctor", "--json", *only, **variables)
        assert ending.err == ""
        document = json.loads(ending.out)
        assert ending.code == (0 if document["ok"] else 1)
        return {each["name"]: each for each in document["checks"]}

    async def worst(self, name: str, **variables: str) -> tuple[str, str]:
        """The outcome of one check, and all that it says."""
        finding = (await self.findings(name, **variables))[name]
        text = "\n".join(f"{each['saw']} {each['cure'] or ''}" for each in finding["remarks"])
        return finding["outcome"], text


async def test_login_item_is_followed_from_whole_to_broken(tmp_path: Path, sim: Simulator) -> None:
    async with user_systemd(tmp_path / "home") as systemd:
        patient = Patient(systemd, InstalledOfframp(tmp_path / "home"))
        patient.offramp.add("env-1")
        config = systemd.home / ".config" / "offramp" / "config.toml"
        config.parent.mkdir(parents=True, mode=0o700)
        port = free_port()
        config.write_text(
            f"port = {port}\n[backend.anthropic]\nbase_url = '{sim.anthropic_url}'\n"
            f"[backend.zai]\nbase_url = '{sim.zai_url}'\n"
        )
        outcome, text = await patient.worst("login-item")
        assert (outcome, "offramp install" in text) == ("note", True)

        ending = await patient.run("install", "--yes", "--key-stdin", stdin=ZAI_KEY.encode())
        assert ending.code == 0, ending
        found = await patient.findings()
        assert not {
            name: each["remarks"]
            for name, each in found.items()
            if name not in NOTES and each["outcome"] != "ok"
        }
        assert "under its supervisor (pid" in found["daemon"]["remarks"][0]["saw"]
        whole = [each["saw"] for each in found["login-item"]["remarks"]]
        assert any("systemd keeps the port open and runs" in saw for saw in whole)

        outcome, text = await patient.worst("environment", HTTPS_PROXY="http://127.0.0.1:9")
        assert outcome == "warning"
        assert "HTTPS_PROXY is set in this shell" in text

        await systemd.systemctl("disable", "offramp.socket")
        outcome, text = await patient.worst("login-item")
        assert (outcome, "does not start it at login" in text) == ("warning", True)

        config.write_text(config.read_text().replace(f"port = {port}", f"port = {free_port()}"))
        outcome, text = await patient.worst("login-item")
        assert (outcome, "the settings say port" in text) == ("warning", True)

        await systemd.systemctl("stop", "offramp.service", "offramp.socket")
        outcome, text = await patient.worst("login-item")
        assert (outcome, "offramp start" in text) == ("failure", True)
        outcome, _ = await patient.worst("daemon")
        assert outcome == "failure"

        patient.offramp.daemon.unlink()
        outcome, text = await patient.worst("login-item")
        assert (outcome, "which does not exist" in text) == ("failure", True)
