"""Quota from the wire to whoever asks for it: the whole daemon, over real sockets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from control_harness import Commands
from daemon_process import daemon_process, run_command, write_config
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY, settings_for
from quota_samples import keep
from quota_samples import plan_of as plan_of_windows
from running_app import running_app
from supervised import supervised

from offramp_core.paths import Paths
from offramp_core.quota import history_log, state_file
from offramp_core.quota import windows as quota
from offramp_core.quota.windows import QuotaWindow
from offramp_simulator import QUOTA_PATH

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from offramp_core.control.api import Status
    from offramp_core.quota.windows import PlanQuota

OPUS, SONNET = "claude-opus-4-6", "claude-sonnet-4-5"


async def send(
    client: aiohttp.ClientSession,
    url: str,
    model: str = OPUS,
    *faults: str,
    path: str = "/v1/messages",
    **fields: Any,
) -> int:
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-sim-fault": faults[0]} if faults else {}
    async with client.post(url + path, json={**body, **fields}, headers=headers) as answer:
        await answer.read()
        return answer.status


def plan_of(status: Status, backend: str) -> PlanQuota:
    found = quota.find(status.quota, backend)
    assert found is not None
    return found


def window_of(status: Status, backend: str, name: str) -> QuotaWindow:
    found = quota.window_of(plan_of(status, backend), name)
    assert found is not None
    return found


def has(backend: str) -> Any:
    return lambda status: quota.find(status.quota, backend) is not None


async def test_answers_tell_status_what_is_used(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        commands = Commands(running.paths)
        status = await commands.until_there()
        assert status.quota == ()
        assert await send(client, running.url) == 200
        status = await commands.until(has("anthropic"))
        assert window_of(status, "anthropic", "5h").used == 0.42
        assert window_of(status, "anthropic", "7d").used == 0.31
        sim.anthropic_quota.five_hour = 0.5
        assert await send(client, running.url, stream=True) == 200
        status = await commands.status()
        assert window_of(status, "anthropic", "5h").used == 0.5
        assert quota.find(status.quota, "zai") is None


async def test_refusal_tells_too_and_of_its_own_window_alone(tmp_path, sim, client):
    sim.anthropic_quota.families["seven_day_opus"] = 1.0
    sim.anthropic_quota.tells_families = False
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_app(tmp_path, settings) as running:
        commands = Commands(running.paths)
        assert await send(client, running.url) == 429
        status = await commands.until(has("anthropic"))
        opus = window_of(status, "anthropic", "7d_opus")
        assert (opus.used, opus.status) == (None, "rejected")
        now = datetime.now(UTC)
        spent = {
            window.name: quota.is_spent(window, now)
            for window in plan_of(status, "anthropic").windows
        }
        assert spent == {"5h": False, "7d": False, "7d_opus": True}


async def test_path_that_is_passed_on_tells_nothing_wrong(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        async with client.get(running.url + "/v1/models") as answer:
            assert answer.status == 200
        assert (await Commands(running.paths).until_there()).quota == ()


async def test_junk_in_the_headers_passes_and_tells_nothing(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        commands = Commands(running.paths)
        for value in ("nan", "-1", "1e999", "x" * 5000):
            fault = f"unified=5h-utilization:{value}"
            assert await send(client, running.url, OPUS, fault) == 200
        status = await commands.until(has("anthropic"))
        assert window_of(status, "anthropic", "5h").used is None
        assert await send(client, running.url, OPUS, "unified=5h-utilization:-0.0") == 200
        status = await commands.status()
        assert str(window_of(status, "anthropic", "5h").used) == "0.0"


async def test_limits_of_an_api_key_are_told_apart_from_the_plans(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        commands = Commands(running.paths)
        assert await send(client, running.url) == 200
        plan = plan_of(await commands.until(has("anthropic")), "anthropic")
        keyed = {"x-api-key": "sk-ant-api03-Zq8Wn3Xr5Tb7Vm2KZq8Wn3Xr5Tb7Vm2K"}
        del client.headers["Authorization"]
        body = {"model": OPUS, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        async with client.post(running.url + "/v1/messages", json=body, headers=keyed) as answer:
            assert answer.status == 200
            await answer.read()
        assert plan_of(await commands.status(), "anthropic") == plan
        paths = running.paths
    kept = [each for each in state_file.read(paths.quota_file) if each.backend == "anthropic"]
    others = [each for each in kept if each.account != plan.account]
    names = {window.name for each in others for window in each.windows}
    assert names == {"requests", "tokens", "input-tokens", "output-tokens"}
    assert quota.find(kept, "anthropic") == plan


async def test_limits_of_an_api_key_are_shown_where_no_plan_is_known(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        keyed = {"x-api-key": "sk-ant-api03-Zq8Wn3Xr5Tb7Vm2KZq8Wn3Xr5Tb7Vm2K"}
        del client.headers["Authorization"]
        body = {"model": OPUS, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        async with client.post(running.url + "/v1/messages", json=body, headers=keyed) as answer:
            assert answer.status == 200
            await answer.read()
        in_use = plan_of(await Commands(running.paths).status(), "anthropic")
        names = {each.name for each in in_use.windows}
        assert names == {"requests", "tokens", "input-tokens", "output-tokens"}


async def test_zai_is_asked_once_it_is_used_and_at_its_own_host_alone(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        commands = Commands(running.paths)
        assert await send(client, running.url) == 200
        assert [entry.path_only for entry in sim.requests] == ["/v1/messages"]
        assert await send(client, running.url, SONNET) == 200
        status = await commands.until(has("zai"))
        assert (plan_of(status, "zai").level, window_of(status, "zai", "5h").used) == ("max", 0.59)
    holders = {
        entry.service
        for entry in sim.requests
        if any(ZAI_KEY in value for _, value in entry.headers)
    }
    assert holders == {"zai"}
    asked = [entry for entry in sim.requests if entry.path == QUOTA_PATH]
    assert len(asked) == 1
    assert not any(CLAUDE_TOKEN in value for _, value in asked[0].headers)


async def test_setting_keeps_zai_from_being_asked(tmp_path, sim, client):
    settings = settings_for(sim.anthropic_url, sim.zai_url, zai_quota=False)
    async with running_app(tmp_path, settings) as running:
        assert await send(client, running.url, SONNET) == 200
        await Commands(running.paths).until_there()
    assert [entry.path for entry in sim.requests] == ["/api/anthropic/v1/messages"]


async def test_page_that_never_answers_holds_up_no_request_and_no_end(tmp_path, sim, client):
    sim.script("zai", ["first-byte=600"], path=QUOTA_PATH)
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        assert await send(client, running.url, SONNET) == 200
        await sim.wait_for(lambda entry: entry.path == QUOTA_PATH)
        assert await send(client, running.url, SONNET) == 200
        assert await send(client, running.url) == 200


async def test_restart_keeps_the_figures_with_their_age(tmp_path, sim, client):
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_app(tmp_path, settings) as running:
        commands = Commands(running.paths)
        await send(client, running.url)
        await send(client, running.url, SONNET)
        before = await commands.until(has("zai"))
    async with running_app(tmp_path, settings) as running:
        after = await Commands(running.paths).until_there()
        assert after.quota == before.quota
        assert len(after.quota) == 2
        points = history_log.read(running.paths.log_dir, datetime.now(UTC) - timedelta(hours=1))
    assert {(point.backend, point.window, point.used) for point in points} == {
        ("anthropic", "5h", 0.42),
        ("anthropic", "7d", 0.31),
        ("zai", "5h", 0.59),
        ("zai", "7d", 0.23),
    }


async def test_daemon_that_takes_over_knows_what_the_one_before_knew(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    async with supervised(tmp_path) as running:
        await send(client, running.url)
        await send(client, running.url, SONNET)
        before = await running.commands.until(has("zai"))
        await running.commands.restart()
        after = await running.until_serving(other_than=before.pid)
        assert after.quota == before.quota
        sim.anthropic_quota.five_hour = 0.5
        await send(client, running.url)  # on the connection that the one before still serves
        status = await running.commands.until(
            lambda status: window_of(status, "anthropic", "5h").used == 0.5
        )
        assert plan_of(status, "anthropic").account == plan_of(before, "anthropic").account
        assert await running.stop() == 0
    kept = state_file.read(running.paths.quota_file)
    assert {plan.backend for plan in kept} == {"anthropic", "zai"}
    assert len([entry for entry in sim.requests if entry.path == QUOTA_PATH]) == 1


async def test_no_credential_is_in_any_file(tmp_path, sim, client):
    async with running_app(tmp_path, settings_for(sim.anthropic_url, sim.zai_url)) as running:
        await send(client, running.url)
        await send(client, running.url, SONNET)
        await Commands(running.paths).until(has("zai"))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"quota.json", "quota.jsonl", "account-salt"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        for credential in (CLAUDE_TOKEN, ZAI_KEY):
            assert credential.encode() not in content
            assert credential[-12:].encode() not in content


async def test_command_line_shows_rates_of_an_api_key_while_they_hold(tmp_path):
    now = datetime.now(UTC)

    def rate(name: str, resets: datetime) -> QuotaWindow:
        return QuotaWindow(name=name, used=0.25, resets=resets, read_at=now)

    over, soon = now - timedelta(minutes=1), now + timedelta(minutes=1)
    keep(Paths.under(tmp_path), plan_of_windows("anthropic", rate("tokens", over)))
    assert "Quota: Claude API key: its limits refill" in (await run_command(tmp_path, "status")).out
    windows = rate("tokens", over), rate("requests", soon)
    keep(Paths.under(tmp_path), plan_of_windows("anthropic", *windows))
    out = (await run_command(tmp_path, "status")).out
    assert "Quota: Claude requests 25%, resets" in out
    assert "tokens" not in out


async def test_command_line_shows_quota_with_a_daemon_and_without(tmp_path: Path, sim, client):
    now = datetime.now(UTC)
    sim.anthropic_quota.resets["five_hour"] = int((now + timedelta(hours=2)).timestamp())
    sim.anthropic_quota.resets["seven_day"] = int((now + timedelta(days=3)).timestamp())
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    async with daemon_process(tmp_path) as running:
        await Commands(running.paths).until_there()
        ending = await run_command(tmp_path, "status", TZ="UTC")
        assert "quota       Claude quota: not known yet" in ending.out
        assert "Z.ai quota: not known yet" in ending.out
        await send(client, running.url)
        sim.script("zai", ["quota-page=401"], path=QUOTA_PATH)
        await send(client, running.url, SONNET)
        await Commands(running.paths).until(has("zai"))
        ending = await run_command(tmp_path, "status", TZ="UTC")
        assert "quota       Claude 5 hours 42%, resets " in ending.out
        assert "            Claude week 31%, resets " in ending.out
        assert "on pace for 54%" in ending.out
        assert "Z.ai quota: not known (Z.ai's quota page refuses the key)" in ending.out
        answer = json.loads((await run_command(tmp_path, "status", "--json")).out)
        assert [plan["backend"] for plan in answer["quota"]] == ["anthropic", "zai"]
        assert answer["quota"][0]["windows"][1]["used"] == 0.31
        await running.stop()
    ending = await run_command(tmp_path, "status", TZ="UTC")
    assert "Quota: Claude week 31%, resets " in ending.out
    answer = json.loads((await run_command(tmp_path, "status", "--json")).out)
    assert (answer["running"], len(answer["quota"])) == (False, 2)
