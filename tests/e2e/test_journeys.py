"""What a user does in a day with the real Claude Code, against services that refuse what they may.

Failover hides a refusal from the client, and so from these tests. Each of them therefore asserts
that neither service refused anything, and that what is delegated was served by the delegate.
"""

from __future__ import annotations

import json
import signal

import pytest
from claude_code import PIXEL, ask_for

pytestmark = pytest.mark.e2e

TIERS = ("opus", "sonnet", "haiku", "fable")
NONE: frozenset[str] = frozenset()
SAFETY_CHECK = frozenset({"safety_check"})
BOUND = frozenset({"bound-thinking"})


async def test_every_tier_answers(journey):
    for model in (*TIERS, "glm-5.2"):
        answer = await journey.ask("say hi", model)
        assert "You said: say hi" in answer["result"]
    journey.was_served()


@pytest.mark.parametrize("model", ["opus", "sonnet", "haiku"])
async def test_tools_run_one_by_one_and_in_parallel(journey, model):
    made = journey.claude.project / "made.txt"
    write = ask_for("Write", file_path=str(made), content="made")
    shell = ask_for("Bash", command="echo hel''lo", description="Say hello")
    await journey.ask(f"{journey.read_note()} {write} {shell}", model)
    assert made.read_text() == "made"
    assert "hello" in journey.texts("anthropic" if model == "opus" else "zai")
    answer = await journey.ask(f"[[sim:parallel]] {journey.read_note()} {shell}", model)
    # The client counts each result of a round as a turn.
    assert answer["num_turns"] == 3
    journey.was_served()


async def test_tool_is_searched_for_and_then_called(journey):
    search = ask_for("ToolSearch", query="select:mcp__tiny__add", max_results=3)
    add = ask_for("mcp__tiny__add", a=2, b=40)
    options = journey.claude.connect_mcp_server()
    for model in ("opus", "sonnet", "haiku"):
        answer = await journey.ask(f"{search} {add}", model, *options)
        assert answer["result"].endswith("42")
    journey.was_served()
    assert "defer_loading" not in journey.texts("zai")
    assert "tool_reference" not in journey.texts("zai")


async def test_mcp_tool_with_a_difficult_schema_is_called(journey):
    search = ask_for("ToolSearch", query="select:mcp__tiny__find", max_results=3)
    find = ask_for("mcp__tiny__find", word="it")
    options = journey.claude.connect_mcp_server()
    for model in ("sonnet", "haiku"):
        answer = await journey.ask(f"{search} {find}", model, *options)
        assert answer["result"].endswith("found it")
    journey.was_served()


async def test_subagents_of_other_tiers_do_their_work(journey):
    for model, inner in (("opus", "haiku"), ("sonnet", "sonnet"), ("haiku", "opus")):
        task = ask_for(
            "Agent",
            description="read the note",
            prompt=journey.read_note(),
            subagent_type="general-purpose",
            model=inner,
        )
        await journey.ask(task, model)
    journey.was_served()
    assert "forty-two" in journey.texts("anthropic")
    assert "forty-two" in journey.texts("zai")


async def test_plan_mode_reads_and_writes_nothing(journey):
    made = journey.claude.project / "made.txt"
    write = ask_for("Write", file_path=str(made), content="made")
    for model in ("opus", "sonnet", "haiku"):
        await journey.ask(f"{journey.read_note()} {write}", model, "--permission-mode=plan")
    assert not made.exists()
    # The newest client asks Claude for a safety check with every request of this mode.
    journey.was_served(kept=NONE if journey.is_oldest else SAFETY_CHECK)


async def test_auto_mode_writes_a_file(journey):
    for model in ("opus", "sonnet"):
        made = journey.claude.project / f"{model}.txt"
        prompt = ask_for("Write", file_path=str(made), content="made")
        await journey.claude.ask(prompt, model, "--permission-mode=auto")
        assert made.exists()
    journey.was_served(kept=NONE if journey.is_oldest else SAFETY_CHECK)


async def test_auto_modes_safety_check_is_asked_of_claude(journey):
    if not journey.is_oldest:
        pytest.skip("the newest client has no requests of their own for its safety check")
    journey.sim.script("anthropic", ["text=<block>no"] * 4)
    made = journey.claude.project / "made.txt"
    command = f"curl -s http://127.0.0.1:9; echo x > {made}"
    prompt = ask_for("Bash", command=command, description="Fetch a page")
    await journey.claude.ask(prompt, "sonnet", "--permission-mode=auto")
    journey.was_served(kept=SAFETY_CHECK)
    assert {record.backend for record in journey.proxy.records} == {"anthropic", "zai"}
    assert made.exists()


@pytest.mark.parametrize("model", ["opus", "sonnet", "haiku"])
async def test_conversation_goes_on_after_it_was_compacted(journey, model):
    session = (await journey.ask(journey.read_note(), model))["session_id"]
    await journey.ask("/compact", model, "--resume", session)
    answer = await journey.ask(journey.read_note(), model, "--resume", session)
    assert answer["num_turns"] == 2
    # The client itself keeps thinking behind a summary that took the place of what was before it.
    journey.was_served(healed=BOUND if model == "opus" else NONE)


async def test_conversation_is_resumed_by_every_model(journey):
    shell = ask_for("Bash", command="echo hel''lo", description="Say hello")
    prompt = f"{journey.read_note()} {shell}"
    session = (await journey.ask(prompt, "opus"))["session_id"]
    for model in ("sonnet", "glm-5.2", "haiku", "opus", "fable", "sonnet", "opus"):
        answer = await journey.ask(prompt, model, "--resume", session)
        assert answer["num_turns"] == 3
    journey.was_served()


async def test_latest_conversation_is_continued_by_another_tier(journey):
    await journey.ask(journey.read_note(), "haiku")
    for model in ("opus", "haiku"):
        await journey.ask(journey.read_note(), model, "--continue")
    journey.was_served()
    assert "forty-two" in journey.texts("anthropic")


async def test_image_is_looked_at_by_claude(journey):
    picture = journey.claude.project / "pixel.png"
    picture.write_bytes(PIXEL)
    for model in ("opus", "sonnet"):
        await journey.ask(ask_for("Read", file_path=str(picture)), model)
    journey.was_served(kept=frozenset({"images"}))
    assert '"image"' in journey.texts("anthropic")
    assert '"image"' not in journey.texts("zai")


async def test_image_in_a_tool_loop_of_the_smallest_model_is_looked_at_by_claude(journey):
    picture = journey.claude.project / "pixel.png"
    picture.write_bytes(PIXEL)
    await journey.ask(ask_for("Read", file_path=str(picture)), "haiku")
    # The oldest client thinks with a budget here, and GLM began the turn: Claude wants its own.
    healed = frozenset({"loop-without-thinking"}) if journey.is_oldest else NONE
    journey.was_served(kept=frozenset({"images"}), healed=healed)


async def test_structured_output_fits_its_schema(journey):
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    for model in ("opus", "sonnet", "haiku"):
        prompt = ask_for("StructuredOutput", x="words")
        answer = await journey.ask(prompt, model, "--json-schema", json.dumps(schema))
        assert answer["structured_output"] == {"x": "words"}
    journey.was_served()


async def test_first_partys_features_are_taken_by_both_services(journey):
    journey.claude.variables = {"_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL": "1"}
    options = journey.claude.connect_mcp_server()
    search = ask_for("ToolSearch", query="select:mcp__tiny__add", max_results=3)
    prompt = f"{search} {ask_for('mcp__tiny__add', a=2, b=40)}"
    session = (await journey.ask(prompt, "opus", *options))["session_id"]
    for model in ("sonnet", "haiku", "glm-5.2", "opus"):
        answer = await journey.ask(prompt, model, "--resume", session, *options)
        assert answer["result"].endswith("42")
    journey.was_served()


@pytest.mark.parametrize("model", ["opus", "haiku"])
async def test_request_is_cancelled_when_the_user_stops_it(journey, model):
    process = await journey.claude.start("say hi [[sim:events=50]] [[sim:slow=0.5]]", model)
    received = await journey.sim.wait_for(
        lambda one: one.path_only.endswith("/v1/messages"), timeout_s=30
    )
    await received.stream_begun.wait()
    process.send_signal(signal.SIGINT)
    await process.communicate()
    await received.ended.wait()
    assert received.client_disconnected
    assert (await journey.proxy.only_record()).status == "cancelled"
    assert not journey.sim.refusals
