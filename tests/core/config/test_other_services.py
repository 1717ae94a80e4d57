"""What can be set of services beside Z.ai: presets, no key at all, and whom failover asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from settings_home import SettingsHome, key_of

from offramp_core.config.values import ConfigError
from offramp_core.services import PRESETS, SERVICES, Service, service_of, zai
from offramp_core.services.service import ASPECTS, SAFE_OUTPUT_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.paths import Paths


@pytest.fixture
def home(tmp_path: Path) -> SettingsHome:
    from offramp_core.paths import Paths

    paths: Paths = Paths.under(tmp_path)
    return SettingsHome(paths)


def refusal(home: SettingsHome, toml: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        home.load_toml(toml)
    return caught.value


each_preset = pytest.mark.parametrize("service", PRESETS, ids=lambda service: service.name)


@each_preset
def test_empty_table_is_enough_for_a_preset(home: SettingsHome, service: Service) -> None:
    settings = home.load_toml(f"[backend.{service.name}]\n").settings
    assert settings.backend(service.name) == service.backend


def test_presets_are_not_there_by_themselves(home: SettingsHome) -> None:
    names = [backend.name for backend in home.load().settings.backends]
    assert names == [service.name for service in SERVICES]


@pytest.mark.parametrize("service", [zai.SERVICE, *PRESETS], ids=lambda service: service.name)
def test_each_fact_has_a_source_and_a_day_or_neither(service: Service) -> None:
    assert [fact.about for fact in service.facts] == list(ASPECTS)
    for fact in service.facts:
        assert fact.text
        assert bool(fact.source) == bool(fact.read) == fact.is_known


@each_preset
def test_unknown_limits_have_the_safe_value(service: Service) -> None:
    known = {fact.about for fact in service.facts if fact.is_known}
    unheard = service.limits_of("a-model-nobody-knows")
    assert unheard.max_output_tokens == SAFE_OUTPUT_TOKENS
    assert (unheard.images, unheard.documents, unheard.efforts) == (False, False, ())
    for model in service.models:
        assert "images" in known or not model.images
        assert "output" in known or model.max_output_tokens == SAFE_OUTPUT_TOKENS
        assert "context" in known or model.context_tokens is None


@each_preset
def test_claude_login_never_goes_to_a_preset(home: SettingsHome, service: Service) -> None:
    error = refusal(home, f'[backend.{service.name}]\nauth = "client"\n')
    assert f"would send the client's credentials to {service.company}" in error.title


@pytest.mark.parametrize(
    "service", [each for each in PRESETS if not each.is_local], ids=lambda each: each.name
)
def test_address_of_a_preset_is_never_taken_for_claude(
    home: SettingsHome, service: Service
) -> None:
    loaded = home.load(ANTHROPIC_BASE_URL=service.backend.base_url)
    assert loaded.settings.backend("anthropic").base_url == "https://api.anthropic.com"
    assert any("must not get your Claude login" in note for note in loaded.notes)


@pytest.mark.parametrize("address", ["http://localhost:11434", "http://[::1]:1", "http://127.1:2"])
def test_plain_http_to_this_machine_needs_neither_setting_nor_key(
    home: SettingsHome, address: str
) -> None:
    loaded = home.load_toml(
        f'[backend.mine]\nbase_url = "{address}"\nauth = "none"\n'
        '[[route]]\nmatch = "haiku"\nbackend = "mine"\n'
    )
    backend = loaded.settings.backend("mine")
    assert (backend.base_url, backend.auth, backend.lacks_key) == (address, "none", False)
    assert not [note for note in loaded.notes if "mine" in note]


def test_plain_http_to_another_machine_still_needs_the_setting(home: SettingsHome) -> None:
    toml = '[backend.ollama]\nbase_url = "http://192.168.1.5:11434"\n'
    title = refusal(home, toml).title
    assert "unencrypted" in title
    assert "your credentials" not in title  # such a service gets none
    settings = home.load_toml(f"plain_http = true\n{toml}").settings
    assert settings.backend("ollama").auth == "none"


def test_key_for_a_service_that_gets_none_is_refused(home: SettingsHome) -> None:
    error = refusal(home, '[backend.ollama]\nauth = "none"\nkey = "abcdefgh"\n')
    assert "which gets none" in error.title
    assert "abcdefgh" not in str(error)


def test_key_that_is_set_for_a_local_server_is_sent(home: SettingsHome) -> None:
    loaded = home.load_toml('[backend.ollama]\nkey = "ollama"\n')
    assert loaded.settings.backend("ollama").auth == "x-api-key"
    assert key_of(loaded, "ollama") == "ollama"


def test_stored_key_of_a_service_that_gets_none_is_passed_over(home: SettingsHome) -> None:
    home.store("ollama")
    assert key_of(home.load_toml("[backend.ollama]\n"), "ollama") is None


@pytest.mark.parametrize(
    ("line", "chain"),
    [
        ("", ("anthropic",)),
        ("failover = true", ("anthropic",)),
        ("failover = false", ()),
        ('failover = ["kimi", "anthropic"]', ("kimi", "anthropic")),
        ('failover = ["kimi"]', ("kimi",)),
        ('failover = ["anthropic"]', ("anthropic",)),
        ('failover = [" ollama ", "kimi", "anthropic"]', ("ollama", "kimi", "anthropic")),
    ],
)
def test_failover_is_yes_no_or_a_list(
    home: SettingsHome, line: str, chain: tuple[str, ...]
) -> None:
    loaded = home.load_toml(f"{line}\n[backend.kimi]\n[backend.ollama]\n")
    assert loaded.settings.failover_chain == chain


def test_failover_in_a_variable_is_yes_or_no(home: SettingsHome) -> None:
    assert home.load(OFFRAMP_FAILOVER="False").settings.failover_chain == ()
    with pytest.raises(ConfigError, match="neither true nor false"):
        home.load(OFFRAMP_FAILOVER="kimi")


@pytest.mark.parametrize(
    ("value", "problem", "hint"),
    [
        ("[]", "is empty", "false"),
        ('["kimmi"]', "'kimmi', which is not a backend", "Did you mean kimi?"),
        ('["deepseek"]', "'deepseek', which is not a backend", "offramp backend add deepseek"),
        ('["kimi", "kimi"]', "'kimi' twice", "once"),
        ('["anthropic", "kimi"]', "after anthropic", "last"),
        ('["zai", "anthropic"]', "all routes already use", "Leave zai out"),
        ('["gate"]', "the client's own credentials", "delegates"),
        ('"kimi"', "neither true nor false, nor a list", '["kimi", "anthropic"]'),
        ("1", "neither true nor false", "true, false"),
        ("[1]", "not a list of text", "words"),
        ('["sk-ant-api03-abcdefghijklmnop"]', "which is not a backend", "Use "),
    ],
)
def test_failover_that_leads_nowhere_is_refused(
    home: SettingsHome, value: str, problem: str, hint: str
) -> None:
    toml = f'failover = {value}\n[backend.kimi]\n[backend.gate]\nauth = "client"\n'
    error = refusal(home, f'{toml}base_url = "https://gate.example.com"\n')
    assert error.label == "failover"
    assert problem in error.title
    assert hint in error.hint
    assert "abcdefghijklmnop" not in str(error)


def test_failover_may_name_a_backend_that_only_some_routes_lead_to(home: SettingsHome) -> None:
    toml = """\
failover = ["zai", "kimi", "anthropic"]
[backend.kimi]
[[route]]
match = "sonnet"
backend = "zai"
[[route]]
match = "haiku"
backend = "kimi"
"""
    settings = home.load_toml(toml).settings
    assert settings.failover_chain == ("zai", "kimi", "anthropic")
    assert settings.delegates_in_use == {"zai", "kimi"}


def test_stand_in_without_a_key_is_noted(home: SettingsHome) -> None:
    loaded = home.load_toml('failover = ["kimi", "anthropic"]\n[backend.kimi]\n')
    assert any(
        note.startswith("There is no key for kimi: failover skips it.") for note in loaded.notes
    )


def test_service_without_a_preset_is_known_as_before() -> None:
    assert service_of("my-gateway").title == ""
