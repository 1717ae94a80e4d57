"""`/metrics`: what it counts, who may see it, and that a real Prometheus reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import prometheus_server
import pytest
from daemon_process import daemon_process, write_config
from prometheus_client.parser import text_string_to_metric_families
from proxy_harness import CLAUDE_TOKEN, settings_for
from running_app import RunningApp, running_app

from offramp_core.settings import Secret
from offramp_daemon.recording import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from offramp_simulator.server import Simulator

TOKEN = "a-long-random-text-of-the-tests"
OPUS, SONNET = "claude-opus-4-6", "claude-sonnet-4-5"
DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana-dashboard.json"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def send(
    client: aiohttp.ClientSession,
    url: str,
    model: str,
    *,
    expected: int | None = 200,
    **fields: Any,
) -> None:
    body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    headers = {
        "authorization": f"Bearer {CLAUDE_TOKEN}",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "oauth-2025-04-20",
        "x-claude-code-session-id": "a-session-of-the-tests",
    }
    async with client.post(
        url + "/v1/messages", json={**body, **fields}, headers={**headers, "x-offramp-token": TOKEN}
    ) as answered:
        await answered.read()
        assert expected in (None, answered.status)


async def page(client: aiohttp.ClientSession, app: RunningApp, **headers: str) -> str:
    async with client.get(app.url + "/metrics", headers=headers) as answered:
        assert answered.status == 200, await answered.text()
        assert answered.headers["Content-Type"].startswith("text/plain")
        return await answered.text()


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return sum(
        number
        for (other, those), number in found.items()
        if other == name and labels.items() <= dict(those).items()
    )


async def test_requests_tokens_and_added_time_are_counted_as_they_are_recorded(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, metrics=True)
    async with running_app(tmp_path, settings) as app:
        await send(client, app.url, OPUS)
        await send(client, app.url, SONNET)
        await send(client, app.url, SONNET, stream=True)
        text = await page(client, app)
    found = samples(text)
    name = "offramp_requests_total"
    assert value(found, name, backend="anthropic", model=OPUS, reason="default") == 1
    assert value(found, name, backend="zai", model=SONNET, reason="route sonnet") == 2
    assert value(found, name) == value(found, name, status="success") == 3
    assert value(found, "offramp_tokens_total", backend="zai", kind="output") > 0
    assert value(found, "offramp_tokens_total", backend="zai", kind="input") > 0
    assert value(found, "offramp_added_seconds_count") == 3
    assert 0 < value(found, "offramp_added_seconds_sum") < 60
    assert value(found, "offramp_streams_in_flight") == 0
    assert value(found, "offramp_breaker_open") == 0
    assert 0 <= value(found, "offramp_quota_used_ratio", backend="anthropic", window="7d") <= 1
    for secret in ("a-session-of-the-tests", "sk-ant", "account", "session"):
        assert secret not in text


async def test_service_that_is_stepped_around_is_seen(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, metrics=True)
    async with running_app(tmp_path, settings) as app:
        sim.script("zai", ["zai=1001"])
        await send(client, app.url, SONNET, expected=None)
        found = samples(await page(client, app))
    assert value(found, "offramp_breaker_open", backend="zai") == 1
    assert value(found, "offramp_requests_total") == 1


async def test_without_the_setting_the_path_is_anthropics_and_nothing_is_loaded(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession
) -> None:
    async with (
        running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as app,
        client.get(app.url + "/metrics") as answered,
    ):
        assert answered.status == 404
        assert "offramp_" not in await answered.text()


def test_daemon_without_the_setting_does_not_import_the_library() -> None:
    code = (
        "import sys, offramp_daemon.app, offramp_daemon.run;"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Referer": "https://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
async def test_web_pages_and_other_names_are_refused(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, metrics=True)
    async with (
        running_app(tmp_path, settings) as app,
        client.get(app.url + "/metrics", headers=headers) as answered,
    ):
        assert answered.status == 403
        assert "offramp_requests" not in await answered.text()


async def test_with_a_client_token_only_who_has_it_sees_the_page(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession
) -> None:
    settings = settings_for(
        sim.anthropic_url, sim.zai_url, metrics=True, client_token=Secret(TOKEN)
    )
    async with running_app(tmp_path, settings) as app:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": f"Bearer {TOKEN}", "x-offramp-token": "wrong"},
        ):
            async with client.get(app.url + "/metrics", headers=headers) as answered:
                assert answered.status == 403
        await page(client, app, Authorization=f"Bearer {TOKEN}")
        await page(client, app, **{"x-offramp-token": TOKEN})


async def test_head_is_answered_without_a_body_and_other_methods_are_anthropics(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url, metrics=True)
    async with running_app(tmp_path, settings) as app:
        async with client.head(app.url + "/metrics?x=1") as answered:
            assert answered.status == 200
        async with client.post(app.url + "/metrics") as answered:
            assert answered.status == 404


async def test_names_that_clients_make_up_share_a_series(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_MODELS", 3)
    settings = settings_for(sim.anthropic_url, sim.zai_url, metrics=True)
    async with running_app(tmp_path, settings) as app:
        await send(client, app.url, OPUS)
        for number in range(9):
            await send(client, app.url, f"made-up-{number}", expected=None)
        await send(client, app.url, OPUS)
        found = samples(await page(client, app))
    models = {dict(labels)["model"] for name, labels in found if name == "offramp_requests_total"}
    assert models == {OPUS, "made-up-0", "made-up-1", metrics.OTHER}
    assert value(found, "offramp_requests_total", model=metrics.OTHER) == 7
    assert value(found, "offramp_requests_total", model=OPUS) == 2


async def test_metrics_that_can_not_be_set_up_cost_only_themselves(
    tmp_path: Path,
    sim: Simulator,
    client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("a mistake of the library")

    monkeypatch.setattr(metrics.Metrics, "__init__", fail)
    settings = settings_for(sim.anthropic_url, sim.zai_url, metrics=True)
    async with running_app(tmp_path, settings) as app:
        await send(client, app.url, SONNET)


def queries() -> list[str]:
    """Every query of the dashboard, with what Grafana puts in."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    texts = [target["expr"] for panel in document["panels"] for target in panel["targets"]]
    return [re.sub(r"\$__(rate_interval|range)", "1m", text) for text in texts]


async def test_prometheus_scrapes_it_and_each_query_of_the_dashboard_finds_something(
    tmp_path: Path, sim: Simulator, client: aiohttp.ClientSession
) -> None:
    try:
        path = prometheus_server.program()
    except prometheus_server.UnavailableError as error:
        pytest.skip(str(error))
    top = f'metrics = true\nclient_token = "{TOKEN}"'
    write_config(tmp_path, sim.anthropic_url, sim.zai_url, top=top)
    (tmp_path / "prometheus").mkdir()
    async with (
        daemon_process(tmp_path) as daemon,
        prometheus_server.prometheus(
            path, tmp_path / "prometheus", f"127.0.0.1:{daemon.port}", client, token=TOKEN
        ) as prometheus,
    ):
        for model in (OPUS, SONNET):
            await send(client, daemon.url, model)
        await prometheus.until("sum(offramp_requests_total) == 2")
        await send(client, daemon.url, OPUS)
        await prometheus.until("sum(offramp_requests_total) == 3")
        (delegated,) = await prometheus.query('sum(offramp_requests_total{backend="zai"})')
        assert delegated["value"][1] == "1"
        assert await prometheus.query('up{job="offramp"} == 1')
        texts = queries()
        assert len(texts) > 10
        for text in texts:
            assert await prometheus.until(text), text
