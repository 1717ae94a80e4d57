"""What GLM writes wrongly at times does not end a conversation, at either service."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "slip",
    ["odd-input", "odd-input=string", "odd-input=null", "leaked-name", "odd-ids", "same-ids"],
)
async def test_conversation_goes_on_after_a_slip_of_glms(journey, slip):
    journey.sim.script("zai", [slip, (), slip])
    session = (await journey.ask(journey.read_note(), "sonnet"))["session_id"]
    for model in ("opus", "haiku"):
        answer = await journey.ask(journey.read_note(), model, "--resume", session)
        assert answer["num_turns"] == 2
    journey.was_served()
