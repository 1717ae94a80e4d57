"""What the real Claude Code sends has the recorded shape; UPDATE_GOLDEN=1 records it again.

The client speaks to a lenient service directly, so that what is seen is what it sends, before
Offramp changes anything.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from claude_code import PIXEL, ClaudeCode, ask_for
from known_names import unknown_in
from request_shapes import shape_of

from offramp_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SHAPES = Path(__file__).parents[1] / "core/services/client_shapes"
TOOLS = "Bash,Read,Write,ToolSearch,Agent,WebFetch,mcp__tiny__add"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator.start(anthropic_refuses=frozenset()) as simulator:
        yield simulator


async def use(claude: ClaudeCode) -> None:
    """Do what a user does in a day, briefly."""
    note = ask_for("Read", file_path=str(claude.project / "note.txt"))
    (claude.project / "pixel.png").write_bytes(PIXEL)
    picture = ask_for("Read", file_path=str(claude.project / "pixel.png"))
    options = (*claude.connect_mcp_server(), "--allowedTools", TOOLS)
    search = ask_for("ToolSearch", query="select:mcp__tiny__add", max_results=3)
    add = ask_for("mcp__tiny__add", a=2, b=40)
    session = (await claude.ask(f"{note} {search} {add}", "opus", *options))["session_id"]
    for model in ("sonnet", "haiku", "fable", "glm-5.2"):
        await claude.ask(f"[[sim:parallel]] {note} {add}", model, *options, "--resume", session)
    await claude.ask("/compact", "opus", *options, "--resume", session)
    await claude.ask(f"{note} {picture}", "sonnet", *options, "--resume", session)
    agent = ask_for(
        "Agent", description="a", prompt=note, subagent_type="general-purpose", model="haiku"
    )
    await claude.ask(agent, "sonnet", *options)
    await claude.ask(note, "sonnet", "--permission-mode=plan")
    await claude.ask(note, "sonnet", "--permission-mode=auto")
    schema = json.dumps({"type": "object", "properties": {"x": {"type": "string"}}})
    output = ask_for("StructuredOutput", x="words")
    await claude.ask(output, "haiku", "--json-schema", schema)
    claude.variables = {"_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL": "1"}
    await claude.ask(f"{note} {search} {add}", "opus", *options)
    await claude.ask("/context", "opus", *options)


async def test_client_sends_the_recorded_shape(version, sim, tmp_path):
    claude = ClaudeCode.at_home(version, tmp_path, sim.anthropic_url)
    await use(claude)
    shape = shape_of(sim.requests)
    file = SHAPES / f"{version}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shape.as_json(), encoding="utf-8")
    assert unknown_in(json.loads(shape.as_json())) == []
