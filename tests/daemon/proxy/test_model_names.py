"""Models that are asked for by the delegate's own names, and the tool that it can do without."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from messages import ask
from proxy_harness import running_proxy, settings_for

from offramp_core.control.api import Pause
from offramp_core.settings import Route

ADVISOR = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}
BASH = {"name": "Bash", "description": "Runs", "input_schema": {"type": "object"}}
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
SUBAGENT = {"x-claude-code-session-id": "5e551011", "x-claude-code-agent-id": "a1"}
OWN_ROUTES = (Route(match="opus", backend="anthropic"), Route(match="nothing", backend="zai"))


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("glm-5.3", "glm-5.3"),
        ("GLM-4.7", "GLM-4.7"),
        ("Glm-4.5-Air", "Glm-4.5-Air"),
        ("glm-5.2[1m]", "glm-5.2"),
        ("GLM-5.4[1M]", "GLM-5.4"),
    ],
)
@pytest.mark.parametrize("routes", [None, (), OWN_ROUTES])
@pytest.mark.parametrize("path", ["/v1/messages?beta=true", "/v1/messages/count_tokens"])
async def test_model_of_the_delegate_goes_there_without_its_suffix(
    client, proxy, sim, model, sent, routes, path
):
    if routes is not None:
        proxy.change(routes=routes)
    async with client.post(proxy.url + path, json=ask(model, stream=False)) as answered:
        assert answered.status == 200
    (received,) = sim.requests
    assert received.service == "zai"
    assert json.loads(received.body)["model"] == sent


@pytest.mark.parametrize("model", ["glm-5.3", "GLM-4.7", "glm-5.2[1m]"])
@pytest.mark.parametrize("cause", ["paused", "delegation is off", "no key for zai"])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_model_of_the_delegate_that_it_may_not_serve_gets_one_clear_error(
    client, sim, model, cause, is_stream
):
    settings = settings_for(sim.anthropic_url, sim.zai_url, overflow=True)
    pause = Pause(since=datetime(2026, 11, 26, tzinfo=UTC)) if cause == "paused" else None
    async with running_proxy(settings, pause=pause) as proxy:
        proxy.change(routes=OWN_ROUTES)
        if cause == "delegation is off":
            proxy.change(delegation="never")
        if cause == "no key for zai":
            proxy.change_backend("zai", key=None)
        body = ask(model, stream=is_stream)
        async with client.post(proxy.url + "/v1/messages", json=body) as answered:
            assert answered.status == 400
            assert answered.headers["x-should-retry"] == "false"
            error = (await answered.json())["error"]
        assert len(proxy.records) == 1
    assert model in error["message"]
    assert cause in error["message"]
    assert not sim.requests


@pytest.mark.parametrize("fault", ["zai=1113", "zai=1308", "zai=1001", "zai=1210"])
async def test_delegate_that_refuses_its_own_model_for_good_is_not_asked_again(
    client, proxy, sim, fault
):
    sim.script("zai", [fault])
    async with client.post(proxy.url + "/v1/messages", json=ask("glm-5.3")) as answered:
        is_final = answered.headers.get("x-should-retry") == "false"
        assert answered.status == 400 or is_final
    assert [received.service for received in sim.requests] == ["zai"]


@pytest.mark.parametrize("headers", [{}, SUBAGENT])
async def test_request_with_an_advisor_is_delegated_without_it(client, proxy, sim, headers):
    body = ask("claude-sonnet-5-5", tools=[BASH, ADVISOR], system="Be brief.")
    for _ in range(2):
        async with client.post(proxy.url + "/v1/messages", json=body, headers=headers) as answered:
            assert answered.status == 200
    first, second = sim.requests
    assert first.service == second.service == "zai"
    assert first.body == second.body  # for the prompt cache
    sent = json.loads(first.body)
    assert [tool["name"] for tool in sent["tools"]] == ["Bash"]
    assert json.dumps(sent["system"]).count("advisor") == 1


@pytest.mark.parametrize("others", [[WEB_SEARCH], [{"type": "web_fetch_20250910", "name": "f"}]])
async def test_advisor_beside_another_server_tool_stays_on_claude(client, proxy, sim, others):
    body = ask("claude-sonnet-5-5", tools=[BASH, ADVISOR, *others])
    async with client.post(proxy.url + "/v1/messages", json=body, headers=SUBAGENT) as answered:
        assert answered.status == 200
    (received,) = sim.requests
    assert received.service == "anthropic"
    assert json.loads(received.body)["tools"] == body["tools"]
