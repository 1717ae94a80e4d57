"""The real Claude Code as a process with a home of its own, a fake login, and no way out."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_harness import CLAUDE_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parents[2] / ".cache/claude-code"
_MCP_SERVER = Path(__file__).with_name("tiny_mcp_server.py")
_LONGEST_RUN_S = 60
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
"""A picture of one pixel, as PNG."""


def installed_versions() -> list[str]:
    """The versions that `make e2e` installed to be driven, the oldest first."""
    listed = FOLDER / "versions"
    return listed.read_text().split() if listed.exists() else []


def ask_for(tool: str, **arguments: object) -> str:
    """Word a prompt that makes the fake services call `tool`."""
    return f"use the tool {tool} with {json.dumps(arguments)}"


@dataclass
class ClaudeCode:
    """One version of Claude Code; `base_url` is where it finds its service."""

    version: str
    home: Path
    base_url: str | None
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at_home(cls, version: str, home: Path, base_url: str) -> ClaudeCode:
        """Prepare a home with a subscription's login and a small project."""
        (home / ".claude").mkdir()
        (home / "project").mkdir()
        (home / "project" / "note.txt").write_text("forty-two\n")
        (home / ".claude.json").write_text('{"hasCompletedOnboarding": true}')
        login = {
            "accessToken": CLAUDE_TOKEN,
            "refreshToken": "sk-ant-ort01-fake",
            "expiresAt": 4_102_444_800_000,
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
        }
        credentials = home / ".claude" / ".credentials.json"
        credentials.write_text(json.dumps({"claudeAiOauth": login}))
        return cls(version, home, base_url)

    @property
    def project(self) -> Path:
        """The folder that it works in."""
        return self.home / "project"

    def connect_mcp_server(self) -> tuple[str, ...]:
        """Write the settings of a small MCP server, and return the options that use it."""
        server = {"command": sys.executable, "args": [str(_MCP_SERVER)]}
        settings = self.home / "mcp.json"
        settings.write_text(json.dumps({"mcpServers": {"tiny": server}}))
        return ("--mcp-config", str(settings), "--strict-mcp-config")

    async def ask(self, prompt: str, model: str, *options: str) -> dict[str, Any]:
        """Return its JSON answer to `prompt`, which must be no error."""
        process = await self.start(prompt, model, *options)
        try:
            async with asyncio.timeout(_LONGEST_RUN_S):
                out, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode == 0, (out, errors)
        answer: dict[str, Any] = json.loads(out)
        assert not answer["is_error"], answer
        return answer

    async def start(self, prompt: str, model: str, *options: str) -> asyncio.subprocess.Process:
        """Start a run; its JSON answer comes on its standard output."""
        return await asyncio.create_subprocess_exec(
            str(FOLDER / self.version / "claude"),
            "-p",
            "--output-format=json",
            f"--model={model}",
            *options,
            "--",
            prompt,
            cwd=self.project,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def start_on_terminal(
        self, terminal: int, model: str, *options: str
    ) -> asyncio.subprocess.Process:
        """Start it for a person, on the terminal of this descriptor."""
        return await asyncio.create_subprocess_exec(
            str(FOLDER / self.version / "claude"),
            f"--model={model}",
            *options,
            cwd=self.project,
            env=self._environment(),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TERM": "xterm",
            **({"ANTHROPIC_BASE_URL": self.base_url} if self.base_url else {}),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            # Its first request waits for MCP servers, so that a busy machine changes nothing.
            "MCP_CONNECTION_NONBLOCKING": "0",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "localhost,127.0.0.1",
            **self.variables,
        }
