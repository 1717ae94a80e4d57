"""What a user does with Claude Code, and what both services must have seen of it afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_code import ask_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_code import ClaudeCode
    from proxy_harness import RunningProxy

    from offramp_core.usage.records import RequestRecord
    from offramp_simulator import Simulator

DELEGATED = ("sonnet", "haiku", "glm")
TOOLS = "Bash,Read,Write,Edit,ToolSearch,Agent,mcp__tiny__add,mcp__tiny__find"


@dataclass(frozen=True, slots=True)
class Journey:
    """A client, the proxy and the two fake services behind it."""

    claude: ClaudeCode
    proxy: RunningProxy
    sim: Simulator

    @property
    def is_oldest(self) -> bool:
        """Whether the client is the last one that runs on Node 20."""
        return self.claude.version == "2.1.197"

    async def ask(self, prompt: str, model: str, *options: str) -> dict[str, Any]:
        """Ask with every tool allowed that the journeys use."""
        return await self.claude.ask(prompt, model, "--allowedTools", TOOLS, *options)

    def read_note(self) -> str:
        """Word a prompt that has the note read: `forty-two`."""
        return ask_for("Read", file_path=str(self.claude.project / "note.txt"))

    def bodies(self, service: str) -> Iterator[bytes]:
        """Yield the bodies of all messages that a service got."""
        for received in self.sim.requests:
            if received.service == service and received.path_only.endswith("/v1/messages"):
                yield received.body

    def texts(self, service: str) -> str:
        """Join everything that a service was sent, for a look at what is in it."""
        return "\n".join(json.dumps(json.loads(body)) for body in self.bodies(service))

    def was_served(
        self, *, kept: frozenset[str] = frozenset(), healed: tuple[str, ...] = ()
    ) -> None:
        """Assert that every request reached the service that it is for, and was taken there.

        `kept` are the rules by which requests for the delegate's models stayed on Claude; `healed`
        are refusals of thinking that are expected, each followed by a request without it.
        """
        assert [
            one for one in self.sim.refusals if one.removeprefix("anthropic: ") not in healed
        ] == []
        assert self.proxy.records
        for record in self.proxy.records:
            assert record.status == "success", record
            assert record.backend == self._backend_for(record, kept), record
            reason = record.reason or ""
            assert "served by" not in reason, record
            assert healed or "again" not in reason, record

    def _backend_for(self, record: RequestRecord, kept: frozenset[str]) -> str:
        model = (record.model or "").lower()
        is_kept = (record.reason or "").removeprefix("kept: ").partition(",")[0] in kept
        is_delegated = any(part in model for part in DELEGATED)
        return "zai" if is_delegated and not is_kept else "anthropic"
