"""The checks of Claude Code: its program, login, address, models, and what is switched off."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from doctor_harness import doctor_context, said, severities
from trouble_samples import left

from offramp_cli.doctor.checks import check_claude_install, check_claude_settings
from offramp_cli.doctor.checks.check_claude_install import ClaudeLogin, ClaudeProgram
from offramp_core.addresses import leads_here
from offramp_core.claude_settings import scopes
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.settings import Secret, Settings, default_backends, default_routes
from offramp_core.wording import trouble_text

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_cli.doctor.finding import Remark
    from offramp_core.claude_settings.scopes import Scope

URL = "http://localhost:3001"
SECRET = "hunter2-never-shown"
SETTINGS = Settings(backends=default_backends(), routes=default_routes())


def is_own(url: str) -> bool:
    return leads_here(url, host="127.0.0.1", port=3001)


def read(root: Path, user: object = None, project: object = None, **environ: str) -> list[Scope]:
    places = SettingsLocations.for_user(
        {}, home=root / "home", folder=root / "project", managed=root / "none.json"
    )
    for path, content in ((places.user, user), (places.project, project)):
        if content is not None:
            path.parent.mkdir(parents=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return [*scopes.read(places, environ)]


def address(found: list[Scope]) -> list[Remark]:
    return [*check_claude_settings.judge_address(found, URL, is_own=is_own)]


def with_url(url: str) -> dict[str, dict[str, str]]:
    return {"env": {"ANTHROPIC_BASE_URL": url}}


def fake_claude(folder: Path, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "claude"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("user", "project", "shell", "expected", "words"),
    [
        (None, None, "", ["warning"], "offramp connect"),
        (with_url(URL), None, "", ["ok"], f"use {URL}"),
        (with_url("http://127.0.0.1:3001/"), None, "", ["ok"], "your own settings"),
        (None, None, URL, ["ok", "note"], "this terminal only"),
        (with_url("http://localhost:3999"), None, "", ["failure"], "another port"),
        (with_url("https://gw.example"), None, "", ["failure"], "not Offramp"),
        (None, None, "https://gw.example", ["failure"], "Unset it"),
        (with_url(URL), with_url("https://gw.example"), "", ["failure"], "project settings"),
        (with_url(URL), None, "https://gw.example", ["ok", "note"], "which has no effect"),
        (with_url("https://localhost:3001"), None, "", ["failure"], "uses http"),
        (with_url(f"{URL}/v1"), None, "", ["failure"], "Remove /v1"),
        (
            '{"env": {"ANTHROPIC_BASE_URL": "http://localhost:3001"},}',
            None,
            "",
            ["failure", "warning"],
            "Then: offramp connect",
        ),
    ],
)
def test_address_is_judged(tmp_path, user, project, shell, expected, words):
    environ = {"ANTHROPIC_BASE_URL": shell} if shell else {}
    remarks = address(read(tmp_path, user, project, **environ))
    assert severities(remarks) == expected
    assert words in said(remarks)


def test_address_with_a_password_is_shown_without(tmp_path):
    remarks = address(read(tmp_path, with_url(f"https://me:{SECRET}@gw.example")))
    assert severities(remarks) == ["failure"]
    assert SECRET not in said(remarks)


def test_own_address_that_a_proxy_or_provider_takes_is_a_failure(tmp_path):
    user = {"env": {"ANTHROPIC_BASE_URL": URL, "CLAUDE_CODE_USE_BEDROCK": "1"}}
    remarks = address(read(tmp_path, user, HTTPS_PROXY=f"http://me:{SECRET}@p:1"))
    assert severities(remarks) == ["ok", "failure", "failure"]
    assert "Bedrock" in said(remarks)
    assert "NO_PROXY=localhost,127.0.0.1" in said(remarks)
    assert SECRET not in said(remarks)


@pytest.mark.parametrize(
    ("user", "environ", "expected", "words"),
    [
        (None, {}, ["ok"], "No model"),
        ({"model": "opus"}, {}, ["ok"], "goes to anthropic"),
        ({"model": "claude-sonnet-4-5[1m]"}, {}, ["ok"], "goes to zai"),
        (None, {"ANTHROPIC_MODEL": "Claude-HAIKU"}, ["ok"], "goes to zai"),
        ({"env": {"ANTHROPIC_DEFAULT_SONNET_MODEL": "glm-4.7"}}, {}, ["warning"], "glm-4.7"),
        (None, {"ANTHROPIC_DEFAULT_HAIKU_MODEL": "GLM-4.5-Air"}, ["warning"], "can't step in"),
        ({"model": "fable"}, {}, ["ok"], "goes to anthropic"),
        (None, {"CLAUDE_CODE_SUBAGENT_MODEL": "inherit"}, ["ok"], "anthropic"),
        ({"model": "opus"}, {"ANTHROPIC_MODEL": "glm"}, ["warning", "ok"], "[[route]]"),
    ],
)
def test_models_are_judged(tmp_path, user, environ, expected, words):
    remarks = [*check_claude_settings.judge_models(read(tmp_path, user, **environ), SETTINGS)]
    assert severities(remarks) == expected
    assert words in said(remarks)


@pytest.mark.parametrize("found", [None, "https://gw.example"])
def test_address_that_connect_wrote_and_that_is_gone_is_a_failure(tmp_path, found):
    problem = left(found)
    user = None if found is None else with_url(found)
    read_scopes = read(tmp_path, user)
    judged = check_claude_settings.judge_address(read_scopes, URL, is_own=is_own, problem=problem)
    remarks = [*judged]
    assert severities(remarks) == ["failure"]
    assert trouble_text.client_text(problem) in said(remarks)
    assert trouble_text.client_cure_text(problem) in said(remarks)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ["ok", "failure"]),
        ({"ANTHROPIC_CUSTOM_HEADERS": "x-offramp-token: another-token-of-24"}, ["ok", "failure"]),
        ({"ANTHROPIC_CUSTOM_HEADERS": f"x-offramp-token: {SECRET}"}, ["ok"]),
        ({"ANTHROPIC_CUSTOM_HEADERS": f"a: b\nX-Offramp-Token:{SECRET} "}, ["ok"]),
    ],
)
def test_client_token_that_claude_code_does_not_send_is_a_failure(tmp_path, headers, expected):
    env = {"ANTHROPIC_BASE_URL": URL, **headers}
    remarks = [
        *check_claude_settings.judge_address(
            read(tmp_path, {"env": env}), URL, is_own=is_own, token=Secret(SECRET)
        )
    ]
    assert severities(remarks) == expected
    assert SECRET not in said(remarks)


def test_address_that_is_gone_there_but_holds_here_is_no_failure(tmp_path):
    judged = check_claude_settings.judge_address(
        read(tmp_path, ANTHROPIC_BASE_URL=URL), URL, is_own=is_own, problem=left()
    )
    assert severities(judged) == ["ok", "note"]


@pytest.mark.parametrize(
    ("environ", "expected", "words"),
    [
        ({}, ["ok"], "No variable"),
        ({"ANTHROPIC_BASE_URL": "https://gw.example"}, ["ok"], "No variable"),
        ({"ANTHROPIC_BASE_URL": URL}, ["note"], "ENABLE_TOOL_SEARCH"),
        ({"ANTHROPIC_BASE_URL": URL, "ENABLE_TOOL_SEARCH": "true"}, ["ok"], "No variable"),
        ({"DISABLE_PROMPT_CACHING": "1"}, ["warning"], "Remove it"),
        ({"DISABLE_PROMPT_CACHING": "0"}, ["ok"], "No variable"),
        ({"CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "true"}, ["note"], "newer features"),
        ({"ANTHROPIC_CUSTOM_HEADERS": f"x: {SECRET}"}, ["note"], "not shown"),
    ],
)
def test_features_are_judged(tmp_path, environ, expected, words):
    found = read(tmp_path, **environ)
    remarks = [*check_claude_settings.judge_features(found, is_own=is_own)]
    assert severities(remarks) == expected
    assert words in said(remarks)
    assert SECRET not in said(remarks)


@pytest.mark.parametrize(
    ("user", "environ", "expected"),
    [
        (None, {}, ["ok"]),
        (None, {"ANTHROPIC_API_KEY": SECRET}, ["ok", "warning"]),
        ({"env": {"ANTHROPIC_AUTH_TOKEN": SECRET}}, {}, ["ok", "warning"]),
        ({"apiKeyHelper": f"echo {SECRET}"}, {}, ["ok", "warning"]),
        (
            {"apiKeyHelper": f"echo {SECRET}"},
            {"ANTHROPIC_API_KEY": SECRET},
            ["ok", "warning", "warning"],
        ),
    ],
)
def test_what_takes_the_logins_place_is_a_warning_without_its_value(
    tmp_path, user, environ, expected
):
    found = read(tmp_path, user, **environ)
    remarks = [*check_claude_install.judge_login(ClaudeLogin(stored_in="/x", scopes=found))]
    assert severities(remarks) == expected
    assert SECRET not in said(remarks)


def test_login_is_seen_and_never_read(tmp_path):
    here = doctor_context(tmp_path, PATH="", platform="linux")
    assert check_claude_install.look_for_login(here, ()).stored_in is None
    file = tmp_path / ".claude" / ".credentials.json"
    file.parent.mkdir()
    file.write_text(SECRET)
    file.chmod(0)  # even its owner can't read it, and nobody tries
    login = check_claude_install.look_for_login(here, ())
    assert login.stored_in == str(file)
    assert severities(check_claude_install.judge_login(login)) == ["ok"]


def test_login_is_where_the_variable_says(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / ".credentials.json").write_text("{}")
    here = doctor_context(tmp_path, CLAUDE_CONFIG_DIR=str(folder), platform="linux")
    assert check_claude_install.look_for_login(here, ()).stored_in is not None


def test_login_in_the_keychain_is_asked_for_without_its_secret(tmp_path):
    asked = tmp_path / "asked"
    security = tmp_path / "bin" / "security"
    security.parent.mkdir()
    security.write_text(f'#!/bin/sh\necho "$*" > {asked}\n')
    security.chmod(0o755)
    path = f"{security.parent}:{os.environ['PATH']}"
    here = doctor_context(tmp_path, PATH=path, platform="darwin")
    assert check_claude_install.look_for_login(here, ()).stored_in == "the Keychain"
    words = asked.read_text().split()
    assert words[0] == "find-generic-password"
    assert not {"-w", "-g"} & set(words)  # either would show it
    security.write_text("#!/bin/sh\nexit 44\n")
    assert check_claude_install.look_for_login(here, ()).stored_in is None


def test_no_login_and_a_token_are_told_apart(tmp_path):
    without = check_claude_install.judge_login(ClaudeLogin(stored_in=None, scopes=read(tmp_path)))
    assert severities(without) == ["warning"]
    found = read(tmp_path / "b", CLAUDE_CODE_OAUTH_TOKEN=SECRET)
    remarks = [*check_claude_install.judge_login(ClaudeLogin(stored_in=None, scopes=found))]
    assert severities(remarks) == ["ok"]
    assert SECRET not in said(remarks)


def test_program_on_the_path_tells_its_version(tmp_path):
    program = fake_claude(tmp_path / "bin", 'test "$1" = --version && echo "2.1.330 (Claude Code)"')
    path = f"{program.parent}:{os.environ['PATH']}"
    found = check_claude_install.look(doctor_context(tmp_path, PATH=path))
    assert found == ClaudeProgram(path=program, version="2.1.330 (Claude Code)")
    assert severities(check_claude_install.judge(found)) == ["ok"]


def test_program_beside_the_path_is_found(tmp_path):
    program = fake_claude(tmp_path / ".local" / "bin", "echo 2")
    found = check_claude_install.look(doctor_context(tmp_path, PATH=str(tmp_path / "none")))
    assert (found.path, found.is_on_path) == (program, False)
    assert severities(check_claude_install.judge(found)) == ["ok", "note"]


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "true"])
def test_program_that_fails_is_a_warning(tmp_path, script):
    program = fake_claude(tmp_path / "bin", script)
    path = f"{program.parent}:{os.environ['PATH']}"
    found = check_claude_install.look(doctor_context(tmp_path, PATH=path))
    assert severities(check_claude_install.judge(found)) == ["warning"]


def test_program_that_hangs_is_given_up(tmp_path):
    program = fake_claude(tmp_path / "bin", "exec sleep 30")
    path = f"{program.parent}:{os.environ['PATH']}"
    here = doctor_context(tmp_path, PATH=path)
    assert check_claude_install.look(here, limit_s=0.1).version is None


def test_missing_program_is_a_warning(tmp_path):
    found = check_claude_install.look(doctor_context(tmp_path, PATH=str(tmp_path)))
    assert found.path is None
    assert severities(check_claude_install.judge(found)) == ["warning"]
