"""Upstreams that are the daemon itself, hosts that others reach, and the demo's isolation."""

from __future__ import annotations

import pytest
from settings_home import KEY, TOKEN, SettingsHome

from offramp_core.config.loader import ConfigError, load
from offramp_core.settings import default_backends


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:3001",
        "http://localhost:3001/",
        "http://LocalHost.:3001/v1",
        "https://127.9.9.9:3001",
        "http://127.1:3001",
        "http://[::1]:3001",
        "http://[::ffff:127.0.0.1]:3001",
        "http://[::]:3001",
        "http://0.0.0.0:3001",
        "http://offramp.localhost:3001",
    ],
)
@pytest.mark.parametrize("name", ["anthropic", "zai"])
def test_upstream_that_is_the_daemon_falls_back_with_a_note(
    home: SettingsHome, address: str, name: str
) -> None:
    variable = f"{name.upper()}_BASE_URL"
    default = {backend.name: backend for backend in default_backends()}[name].base_url
    loaded = home.load(**{variable: address, "ZAI_API_KEY": KEY})
    assert loaded.settings.backend(name).base_url == default
    assert loaded.origins[f"{name}_base_url"] == "default"
    (note,) = loaded.notes
    assert variable in note
    assert "Offramp itself" in note
    assert default in note


def test_self_address_in_the_environment_uncovers_the_gateway_in_the_file(
    home: SettingsHome,
) -> None:
    toml = 'anthropic_base_url = "https://gateway.example"'
    loaded = home.load_toml(toml, ZAI_API_KEY=KEY, ANTHROPIC_BASE_URL="http://localhost:3001")
    assert loaded.settings.backend("anthropic").base_url == "https://gateway.example"
    assert loaded.origins["anthropic_base_url"] == "file"
    assert "using https://gateway.example instead" in loaded.notes[0]


@pytest.mark.parametrize(
    ("toml", "environ"),
    [
        ('port = 4000\nanthropic_base_url = "http://localhost:4000"', {}),
        (
            f'host = "192.168.1.5"\nclient_token = "{TOKEN}"',
            {"ANTHROPIC_BASE_URL": "http://192.168.1.5:3001"},
        ),
        ("", {"PORT": "80", "ANTHROPIC_BASE_URL": "http://localhost"}),
    ],
)
def test_own_port_on_any_way_to_the_own_host_is_the_daemon(
    home: SettingsHome, toml: str, environ: dict[str, str]
) -> None:
    loaded = home.load_toml(toml, ZAI_API_KEY=KEY, **environ)
    assert loaded.settings.backend("anthropic").base_url == "https://api.anthropic.com"
    (note,) = loaded.notes
    assert "Offramp itself" in note
    place = "environment: ANTHROPIC_BASE_URL" if environ else "config.toml: anthropic_base_url"
    assert place in note


def test_loopback_address_with_another_port_is_a_gateway(home: SettingsHome) -> None:
    loaded = home.load(ZAI_API_KEY=KEY, ANTHROPIC_BASE_URL="http://localhost:4001/")
    assert loaded.settings.backend("anthropic").base_url == "http://localhost:4001"
    assert loaded.notes == ()


def test_custom_backend_that_is_the_daemon_is_refused(home: SettingsHome) -> None:
    toml = '[backend.mine]\nbase_url = "http://localhost:3001"'
    with pytest.raises(ConfigError, match=r"backend\.mine\.base_url.*is Offramp itself"):
        home.load_toml(toml)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.local"])
def test_open_host_needs_a_token(home: SettingsHome, host: str) -> None:
    with pytest.raises(ConfigError, match="client_token") as caught:
        home.load(HOST=host)
    assert "OFFRAMP_HOST" in caught.value.hint
    assert home.load(HOST=host, OFFRAMP_CLIENT_TOKEN=TOKEN).settings.host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1", "[::1]"])
def test_loopback_host_needs_no_token(home: SettingsHome, host: str) -> None:
    assert home.load(HOST=host).settings.host == host.strip("[]")


def test_demo_ignores_keys_addresses_and_log_folder(home: SettingsHome) -> None:
    home.write(
        f"""
        zai_api_key = "{KEY}"
        log_dir = "/the/real/history"
        week_start_day = 1
        [backend.mine]
        base_url = "https://real.example"
        key_env = "MY_KEY"
        """,
        env=f"OFFRAMP_ZAI_API_KEY={KEY}\nANTHROPIC_BASE_URL=https://gateway.example\n",
    )
    environ = {
        "ZAI_API_KEY": KEY,
        "OFFRAMP_ZAI_BASE_URL": "no address at all",
        "MY_KEY": KEY,
        "LOG_DIR": "/the/real/history",
    }
    loaded = load(home.paths, environ, is_demo=True)
    assert [backend.key for backend in loaded.settings.backends] == [None, None, None]
    assert [backend.base_url for backend in loaded.settings.backends] == [
        "https://api.anthropic.com",
        "https://api.z.ai/api/anthropic",
        "http://127.0.0.1:9",
    ]
    assert loaded.settings.log_dir is None
    assert loaded.settings.week_start_day == 1
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("name", "address", "why"),
    [
        ("anthropic", "https://api.z.ai/api/anthropic", "must not get your Claude login"),
        ("zai", "https://API.anthropic.com.", "must not get the key of zai"),
    ],
)
def test_address_of_the_other_service_is_skipped(
    home: SettingsHome, name: str, address: str, why: str
) -> None:
    default = {backend.name: backend for backend in default_backends()}[name].base_url
    loaded = home.load(**{f"{name.upper()}_BASE_URL": address, "ZAI_API_KEY": KEY})
    assert loaded.settings.backend(name).base_url == default
    (note,) = loaded.notes
    assert why in note


def test_address_of_anthropic_for_a_backend_of_ones_own_is_refused(home: SettingsHome) -> None:
    text = f'[backend.mine]\nbase_url = "https://api.anthropic.com"\nkey = "{KEY}"'
    with pytest.raises(ConfigError, match="must not get the key of mine"):
        home.load_toml(text)
