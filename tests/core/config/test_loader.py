"""Settings from defaults, file, `.env` and environment, and what wins."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest
from settings_home import KEY, TOKEN, SettingsHome, key_of

from offramp_core.config import loader
from offramp_core.config.loader import ConfigError, fingerprint
from offramp_core.config.schema import ROUTE, SETTINGS
from offramp_core.paths import Paths
from offramp_core.settings import (
    KeepRules,
    Route,
    Secret,
    Settings,
    TraySettings,
    default_backends,
    default_routes,
)

EXAMPLE = Path(__file__).parents[3] / "daemon" / "offramp_core" / "config" / "config.example.toml"


def test_nothing_set_gives_the_defaults(home: SettingsHome) -> None:
    loaded = home.load()
    assert loaded.settings == msgspec.structs.replace(
        Settings(), backends=default_backends(), routes=default_routes()
    )
    assert set(loaded.origins.values()) == {"default"}
    assert len(loaded.notes) == 1
    assert "no key for zai" in loaded.notes[0]
    assert "ZAI_API_KEY in the environment" in loaded.notes[0]
    assert str(home.paths.env_file) in loaded.notes[0]
    assert "zai_api_key in config.toml" in loaded.notes[0]


def test_each_backend_without_a_key_is_told_every_place_for_one(home: SettingsHome) -> None:
    home.write(
        f"""
        zai_api_key = "{KEY}"
        [backend.first]
        base_url = "https://first.example"
        [backend.second]
        base_url = "https://second.example"
        key_env = "SECOND_API_KEY"
        [[route]]
        match = "sonnet"
        backend = "first"
        [[route]]
        match = "haiku"
        backend = "second"
        """
    )
    first, second = home.load().notes
    assert "key in [backend.first] of config.toml" in first
    assert "set SECOND_API_KEY" in second
    assert "[backend.second] of config.toml" in second
    for note in (first, second):
        assert "in the environment" in note
        assert str(home.paths.env_file) in note


ODD = "does not look like a key for"


@pytest.mark.parametrize("key", ["abc", f"{KEY[:-17]}", f"x{KEY}", "0" * 49])
def test_key_of_another_shape_than_the_service_s_is_said(home: SettingsHome, key: str) -> None:
    home.write(f'zai_api_key = "{key}"')
    (note,) = home.load().notes
    assert note.startswith(f"{home.paths.config_file}: zai_api_key {ODD} zai, which is 32 hex")
    assert key not in note.removeprefix(str(home.paths.config_file))


def test_key_of_another_shape_is_said_wherever_it_is_from(home: SettingsHome) -> None:
    (note,) = home.load(ZAI_API_KEY="short").notes
    assert note.startswith(f"environment: ZAI_API_KEY {ODD} zai")
    home.write('[backend.zai]\nkey = "short"')
    assert f"backend.zai.key {ODD} zai" in home.load().notes[0]
    home.write('[backend.zai]\nkey_env = "ZAI_KEY"')
    assert ODD in home.load(ZAI_KEY="short").notes[0]
    home.write('[backend.bigmodel]\nkey = "short"')
    assert any(f"{ODD} bigmodel" in note for note in home.load(ZAI_API_KEY=KEY).notes)


def test_key_is_not_judged_where_its_shape_is_not_known(home: SettingsHome) -> None:
    home.write('zai_api_key = "abc"\nzai_base_url = "https://gateway.example/zai"')
    assert home.load().notes == ()
    home.write('[backend.kimi]\nkey = "abc"')
    assert not any(ODD in note for note in home.load(ZAI_API_KEY=KEY).notes)


def test_schema_names_every_field_of_a_route() -> None:
    assert set(ROUTE) == {field.name for field in msgspec.structs.fields(Route)}


def test_every_top_level_key_in_the_file_is_taken(home: SettingsHome, tmp_path: Path) -> None:
    home.write(
        f"""
        port = 4000
        host = "LOCALHOST"
        client_token = "{TOKEN}"
        allowed_hosts = ["Studio.local", "[::1]"]
        allowed_origins = ["HTTP://Localhost:8000", "tauri://localhost/", "https://a.example:443"]
        other_users = true
        plain_http = true
        log_dir = "{tmp_path}/log"
        machine = "Work-Mac_2"
        metrics = true
        log_level = "debug"
        log_format = "json"
        week_start_day = 0
        week_start_hour = 0
        thinking = "strip"
        delegation = "Auto"
        failover = false
        overflow = true
        overflow_model = "glm-5"
        queue_wait_s = 12
        zai_quota = false
        show_projects = false
        let_conversations_finish = true
        max_body_bytes = 1024
        connect_timeout_s = 5
        silence_timeout_s = 0.5
        drain_timeout_s = 1e2
        zai_api_key = " {KEY} "
        zai_base_url = "https://zai.example/api///"
        anthropic_base_url = "HTTP://Gateway.example:8080"
        """
    )
    loaded = home.load()
    settings = loaded.settings
    assert msgspec.structs.replace(settings, backends=(), routes=()) == Settings(
        port=4000,
        host="localhost",
        client_token=Secret(TOKEN),
        allowed_hosts=("studio.local", "::1"),
        allowed_origins=("http://localhost:8000", "tauri://localhost", "https://a.example"),
        other_users=True,
        plain_http=True,
        log_dir=tmp_path / "log",
        machine="Work-Mac_2",
        metrics=True,
        log_level="debug",
        log_format="json",
        week_start_day=0,
        week_start_hour=0,
        thinking="strip",
        delegation="auto",
        failover=False,
        overflow=True,
        overflow_model="glm-5",
        queue_wait_s=12.0,
        zai_quota=False,
        show_projects=False,
        let_conversations_finish=True,
        max_body_bytes=1024,
        connect_timeout_s=5.0,
        silence_timeout_s=0.5,
        drain_timeout_s=100.0,
    )
    assert key_of(loaded) == KEY
    assert settings.backend("zai").base_url == "https://zai.example/api"
    assert settings.backend("anthropic").base_url == "http://gateway.example:8080"
    assert {loaded.origins[name] for name in SETTINGS} == {"file"}
    assert loaded.origins["zai_api_key"] == loaded.origins["backend.zai.key"] == "file"
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("PORT", " 4000 ", lambda settings: settings.port == 4000),
        ("HOST", "::1", lambda settings: settings.host == "::1"),
        ("LOG_DIR", "/var/log/x", lambda settings: settings.log_dir == Path("/var/log/x")),
        ("LOG_LEVEL", "WARN", lambda settings: settings.log_level == "warn"),
        ("WEEK_START_DAY", "0", lambda settings: settings.week_start_day == 0),
        ("WEEK_START_HOUR", "23", lambda settings: settings.week_start_hour == 23),
        ("ZAI_API_KEY", KEY, lambda settings: settings.backend("zai").key == Secret(KEY)),
        (
            "ZAI_BASE_URL",
            "https://z.example/a/",
            lambda settings: settings.backend("zai").base_url == "https://z.example/a",
        ),
        (
            "ANTHROPIC_BASE_URL",
            "https://a.example",
            lambda settings: settings.backend("anthropic").base_url == "https://a.example",
        ),
        ("OFFRAMP_THINKING", "strip", lambda settings: settings.thinking == "strip"),
        ("OFFRAMP_CLIENT_TOKEN", TOKEN, lambda settings: settings.client_token == Secret(TOKEN)),
        ("OFFRAMP_MAX_BODY_BYTES", "9", lambda settings: settings.max_body_bytes == 9),
        ("OFFRAMP_DRAIN_TIMEOUT_S", "1.5", lambda settings: settings.drain_timeout_s == 1.5),
        ("OFFRAMP_MACHINE", "laptop", lambda settings: settings.machine == "laptop"),
        ("OFFRAMP_LOG_FORMAT", "json", lambda settings: settings.log_format == "json"),
    ],
)
def test_variable_sets_its_setting_in_environment_and_env_file(
    home: SettingsHome, variable: str, value: str, read: object
) -> None:
    assert callable(read)
    key = variable.removeprefix("OFFRAMP_").lower()
    loaded = home.load(**{variable: value})
    assert read(loaded.settings)
    assert loaded.origins[key] == f"environment {variable}"
    home.write(env=f"{variable}='{value}'\n")
    loaded = home.load()
    assert read(loaded.settings)
    assert loaded.origins[key] == f".env {variable}"


def test_plain_name_of_a_setting_without_one_is_another_programs(home: SettingsHome) -> None:
    assert home.load(THINKING="strip", CLIENT_TOKEN=TOKEN).settings.thinking == "own"


def test_key_is_looked_for_in_order_of_strength(home: SettingsHome) -> None:
    home.write(
        'zai_api_key = "from-file"', env="ZAI_API_KEY=plain-env\nOFFRAMP_ZAI_API_KEY=own-env"
    )
    assert key_of(home.load(ZAI_API_KEY="plain", OFFRAMP_ZAI_API_KEY="own")) == "own"
    assert key_of(home.load(ZAI_API_KEY="plain")) == "plain"
    assert key_of(home.load()) == "own-env"
    home.write(env="ZAI_API_KEY=plain-env\n")
    assert key_of(home.load()) == "plain-env"
    home.paths.env_file.unlink()
    loaded = home.load()
    assert key_of(loaded) == "from-file"
    assert loaded.origins["zai_api_key"] == "file"


def test_empty_variables_count_as_not_set(home: SettingsHome) -> None:
    home.write("port = 4000", env="PORT=\nZAI_API_KEY=''\n")
    loaded = home.load(PORT="", OFFRAMP_PORT=" ", ZAI_API_KEY="")
    assert loaded.settings.port == 4000
    assert key_of(loaded) is None


def test_own_variable_saves_from_another_programs(home: SettingsHome) -> None:
    loaded = home.load(PORT="http", OFFRAMP_PORT="4000", HOST="x86_64-conda", OFFRAMP_HOST="::1")
    assert (loaded.settings.port, loaded.settings.host) == (4000, "::1")


def test_backend_table_overrides_only_what_it_names(home: SettingsHome) -> None:
    home.write('[backend.zai]\nauth = "bearer"\nimages = true\nheaders = ["Accept", "X-App"]')
    loaded = home.load()
    assert loaded.settings.backend("zai") == msgspec.structs.replace(
        default_backends()[1], auth="bearer", images=True, headers=("accept", "x-app")
    )
    assert loaded.origins["backend.zai.auth"] == "file"
    assert loaded.origins["backend.zai.base_url"] == "default"
    assert loaded.settings.backends[0] == default_backends()[0]


def test_custom_backend_and_routes_replace_the_default_list(home: SettingsHome) -> None:
    home.write(
        """
        [backend.my-llm_2]
        base_url = "http://127.0.0.1:8080/v1"
        key_env = "MY_KEY"
        [[route]]
        match = " Haiku "
        backend = "my-llm_2"
        send_model = "small"
        context_tokens = 1000
        [[route]]
        match = "sonnet"
        backend = "anthropic"
        """
    )
    loaded = home.load(MY_KEY=KEY)
    assert loaded.settings.routes == (
        Route(match="Haiku", backend="my-llm_2", send_model="small", context_tokens=1000),
        Route(match="sonnet", backend="anthropic"),
    )
    assert key_of(loaded, "my-llm_2") == KEY
    assert loaded.origins["backend.my-llm_2.key"] == "environment MY_KEY"
    assert loaded.origins["route"] == "file"
    assert [backend.name for backend in loaded.settings.backends] == [
        "anthropic",
        "zai",
        "my-llm_2",
    ]
    assert loaded.notes == ()


def test_empty_route_list_delegates_nothing(home: SettingsHome) -> None:
    home.write("route = []")
    assert home.load().settings.routes == ()


def test_key_env_reads_the_env_file_too(home: SettingsHome) -> None:
    home.write('[backend.zai]\nkey_env = "MY_KEY"', env=f"export MY_KEY={KEY}\n")
    loaded = home.load()
    assert key_of(loaded) == KEY
    assert loaded.origins["zai_api_key"] == ".env MY_KEY"
    assert key_of(home.load(ZAI_API_KEY="stronger")) == "stronger"


def test_unset_key_env_is_noted_by_name(home: SettingsHome) -> None:
    home.write('[backend.zai]\nkey_env = "MY_KEY"')
    loaded = home.load()
    assert key_of(loaded) is None
    assert "MY_KEY, which its key_env names" in loaded.notes[0]


def test_key_put_into_key_env_by_mistake_is_not_shown(home: SettingsHome) -> None:
    key = KEY.partition(".")[0].replace("0", "a", 1)  # would do as a variable's name
    home.write(f'[backend.zai]\nkey_env = "{key}"')
    (note,) = home.load().notes
    assert "key_env" in note
    assert key not in note


def test_keep_rules_are_taken_one_by_one(home: SettingsHome) -> None:
    home.write("[keep_on_anthropic]\nimages = false")
    loaded = home.load()
    assert loaded.settings.keep_on_anthropic == KeepRules(images=False)
    assert loaded.origins["keep_on_anthropic.images"] == "file"
    assert loaded.origins["keep_on_anthropic.documents"] == "default"


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("OFFRAMP_PROT", "Did you mean OFFRAMP_PORT?"),
        ("OFFRAMP_ZAI_KEY", "Did you mean OFFRAMP_ZAI_API_KEY?"),
        ("OFFRAMP_ALLOWED_HOSTS", "config.toml only"),
    ],
)
def test_variable_that_is_nearly_ours_is_noted(home: SettingsHome, name: str, cure: str) -> None:
    (note,) = home.load(**{"ZAI_API_KEY": KEY, "OFFRAMP_HOME": "/x", name: "1"}).notes
    assert name in note
    assert cure in note


def test_variable_that_resembles_none_of_ours_is_left_alone(home: SettingsHome) -> None:
    assert home.load(ZAI_API_KEY=KEY, OFFRAMP_QQQQQQQQ="1").notes == ()


def test_file_with_byte_order_mark_and_crlf_is_read(home: SettingsHome) -> None:
    home.write("\ufeffport = 4000\r\nlog_level = 'warn'\r\n", env="\ufeffHOST=::1\r\n")
    settings = home.load().settings
    assert (settings.port, settings.log_level, settings.host) == (4000, "warn", "::1")


def test_log_dir_in_the_home_folder_is_expanded(
    home: SettingsHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert home.load(LOG_DIR="~/log").settings.log_dir == Path("/home/someone/log")


def test_loaded_settings_never_show_a_secret(home: SettingsHome) -> None:
    home.write(f'client_token = "{TOKEN}"', env=f"ZAI_API_KEY={KEY}")
    loaded = home.load()
    assert KEY not in repr(loaded)
    assert TOKEN not in repr(loaded)


def test_fingerprint_changes_with_each_file(home: SettingsHome) -> None:
    seen = [fingerprint(home.paths)]
    assert seen == [(None, None, None)]
    home.write("port = 1")
    seen.append(fingerprint(home.paths))
    home.write(env="PORT=1")
    seen.append(fingerprint(home.paths))
    home.write("port = 12")
    seen.append(fingerprint(home.paths))
    os.utime(home.paths.env_file, ns=(1, 1))
    seen.append(fingerprint(home.paths))
    replacement = home.paths.config_dir / "new"
    replacement.write_text("port = 13")
    replacement.replace(home.paths.config_file)
    seen.append(fingerprint(home.paths))
    assert len(set(seen)) == len(seen)
    assert fingerprint(home.paths) == seen[-1]


def test_example_as_shipped_changes_nothing(home: SettingsHome) -> None:
    without_file = home.load()
    home.write(EXAMPLE.read_text(encoding="utf-8"))
    assert home.load() == without_file


def test_example_uncommented_loads_and_shows_the_defaults(home: SettingsHome) -> None:
    text = re.sub(r"^#(?=[\[a-z])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    home.write(text)
    loaded = home.load(EXAMPLE_API_KEY=KEY)
    settings = loaded.settings
    without_default = {"client_token", "allowed_hosts", "allowed_origins", "log_dir", "machine"}
    for name in SETTINGS.keys() - without_default:
        assert getattr(settings, name) == getattr(Settings(), name), name
    assert settings.keep_on_anthropic == KeepRules()
    assert settings.routes == default_routes()
    anthropic, zai, example = settings.backends
    assert anthropic == default_backends()[0]
    assert msgspec.structs.replace(zai, key=None) == default_backends()[1]
    assert example.key == Secret(KEY)
    (note,) = loaded.notes
    assert "zai_api_key does not look like a key for zai" in note  # it is yet to be replaced
    untouched = {
        name
        for name, origin in loaded.origins.items()
        if origin == "default" and not name.startswith(("backend.anthropic.", "backend.example."))
    }
    assert untouched == set(), "the example leaves a setting out"


def test_tray_settings_come_from_their_table(home: SettingsHome) -> None:
    home.write('[tray]\ncount = "tokens"\nnotify_quota = false\nquota_percent = 75\n')
    loaded = home.load()
    assert loaded.settings.tray == TraySettings(
        count="tokens", notify_quota=False, quota_percent=75
    )
    assert loaded.origins["tray.count"] == "file"
    assert loaded.origins["tray.icon"] == "default"


def test_unknown_word_for_the_tray_is_refused_with_what_would_do(home: SettingsHome) -> None:
    home.write('[tray]\ntext = "shares"\n')
    with pytest.raises(ConfigError) as raised:
        home.load()
    assert "tray.text = 'shares'" in raised.value.title
    assert "none, share, requests or tokens" in raised.value.hint


def test_backend_may_take_everything_or_what_is_named(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_file.parent.mkdir(parents=True)
    paths.config_file.write_text(
        '[backend.zai]\naccept_fields = "all"\naccept_blocks = ["search_result"]\n'
        '[[route]]\nmatch = "x"\nbackend = "zai"\nefforts = ["low"]\nalways_thinks = true\n'
    )
    settings = loader.load(paths, {}).settings
    backend = settings.backend("zai")
    assert (backend.accept_fields, backend.accept_blocks) == ("all", ("search_result",))
    assert (settings.routes[0].efforts, settings.routes[0].always_thinks) == (("low",), True)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9", "http://localhost/a", "http://[::1]:9", "http://gateway.localhost"],
)
def test_plain_http_to_this_machine_needs_no_setting(home: SettingsHome, address: str) -> None:
    home.write(f'anthropic_base_url = "{address}"')
    assert home.load().settings.backend("anthropic").base_url == address
