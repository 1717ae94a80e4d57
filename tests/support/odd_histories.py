"""Conversations at random as a mixture of services writes them, with every fault that is known."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from request_bodies import ANTHROPIC_SIGNATURE, ZAI_SIGNATURE, result, system, text, thought

Json = dict[str, Any]

TOOLS = ["Bash", "Read", "mcp__x__y"]
IDS = st.sampled_from(
    ["toolu_1", "toolu_2", "call_1", "call_1_2", "functions.Bash:0", "functions_Bash_0", ""]
) | st.sampled_from(["ü", 7, None, ["a"], "a b"])
NAMES = st.sampled_from(
    ["Bash", "Read", "Bash</arg_value>", "<tool_call>Bash", "mcp.x.y", "a b", "", "x" * 200, None]
) | st.sampled_from(["functions.Bash:0", "<|call|>", "Bash\n<arg_key>command</arg_key>"])
INPUTS = st.sampled_from([{}, {"command": "ls"}, [{"command": "ls"}], "git status", None, 7, True])
WORDS = st.sampled_from(
    ["Hi", "Fine.", "ends in blanks \n", "", " ", "\n\t", "\u00a0", "half \ud83d"]
)
THOUGHTS = st.builds(thought, st.sampled_from([ANTHROPIC_SIGNATURE, ZAI_SIGNATURE, "", None]))
_REDACTED = st.sampled_from(
    [{"type": "redacted_thinking", "data": each} for each in (ANTHROPIC_SIGNATURE, "x")]
)
_CONTENTS = st.one_of(
    WORDS,
    st.none(),
    st.lists(st.one_of(st.builds(text, WORDS), THOUGHTS), max_size=3),
    st.builds(text, WORDS),
    st.just([{"type": "tool_reference", "tool_name": "Read"}]),
)


@st.composite
def _calls(draw: st.DrawFn) -> Json:
    call = {"type": "tool_use", "id": draw(IDS), "name": draw(NAMES), "input": draw(INPUTS)}
    missing = draw(st.sampled_from([None, None, None, "id", "name", "input"]))
    return {key: value for key, value in call.items() if key != missing}


@st.composite
def _searches(draw: st.DrawFn) -> list[Json]:
    call_id = draw(st.sampled_from(["srvtoolu_1", "call_9", "srvtoolu_:"]))
    query = {
        "type": "server_tool_use",
        "id": call_id,
        "name": "web_search",
        "input": {"query": "q"},
    }
    return [query, result(call_id, "web_search_tool_result", [])]


@st.composite
def _answers(draw: st.DrawFn) -> Json:
    one = st.one_of(THOUGHTS, _REDACTED, st.builds(text, WORDS), _calls())
    parts = draw(st.lists(st.one_of(st.lists(one, max_size=3), _searches()), max_size=3))
    content: Any = [block for part in parts for block in part]
    if draw(st.integers(0, 7)) == 0:
        content = draw(WORDS)
    return {"role": "assistant", "content": content}


@st.composite
def _prompts(draw: st.DrawFn, calls: list[Json]) -> Json:
    blocks: list[Json] = []
    for call in calls:
        if draw(st.integers(0, 5)):
            block = result("", content=draw(_CONTENTS))
            block["tool_use_id"] = call.get("id") if draw(st.integers(0, 9)) else draw(IDS)
            blocks.append(block)
    odd = st.one_of(THOUGHTS, _REDACTED, _calls(), st.builds(result, IDS, content=_CONTENTS))
    blocks += draw(st.lists(st.builds(text, WORDS), max_size=2))
    blocks += draw(st.lists(odd, max_size=1))
    if draw(st.integers(0, 3)) == 0:
        blocks = draw(st.permutations(blocks))
    return {"role": "user", "content": draw(WORDS) if not calls and not blocks else blocks}


@st.composite
def _items(draw: st.DrawFn) -> Json:
    content = st.one_of(
        WORDS,
        st.lists(st.one_of(st.builds(text, WORDS), THOUGHTS), max_size=2),
        st.just([{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Read"}}]),
    )
    item = system(draw(content))
    return {**item, "output_config": {"effort": "high"}} if draw(st.booleans()) else item


@st.composite
def odd_histories(draw: st.DrawFn) -> list[Json]:
    """A conversation with any of the faults, in roughly the order that clients write."""
    messages: list[Json] = []
    calls: list[Json] = []
    for role in draw(st.lists(st.sampled_from(["user", "assistant"] * 3 + ["system"]), max_size=9)):
        if role == "assistant":
            messages.append(draw(_answers()))
            content = messages[-1]["content"]
            calls = [
                each for each in content if isinstance(each, dict) and each["type"] == "tool_use"
            ]
        elif role == "user":
            messages.append(draw(_prompts(calls)))
            calls = []
        else:
            messages.append(draw(_items()))
    return messages
