"""Changing `config.toml` for its user, in text and on disk."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp_core.config import loader
from offramp_core.config.editor import check, edited, save
from offramp_core.config.values import ConfigError
from offramp_core.errors import OfframpError
from offramp_core.paths import Paths

EXAMPLE = Path(loader.__file__).parent / "config.example.toml"
OWN = """\
# mine
port = 3002  # beside another one

[keep_on_anthropic]  # what Z.ai can't do
images = true

[[route]]  # the daily work
match = "sonnet"  # any
backend = "zai"

[[route]]
match = "haiku"
backend = "zai"

[backend.other]
base_url = "https://llm.example.com"
"""


def test_new_setting_takes_the_place_of_its_commented_line() -> None:
    lines = edited(EXAMPLE.read_text(), {"week_start_day": 1}).splitlines()

    place = lines.index("week_start_day = 1")
    assert lines[place - 1].startswith("# When your week begins")
    assert lines[place + 1] == "#week_start_hour = 22"
    assert "#week_start_day = 4" not in lines


def test_setting_below_a_table_is_not_taken_for_that_tables() -> None:
    text = "[keep_on_anthropic]\nimages = false\n# note\n#port = 3001\n"

    assert tomllib.loads(edited(text, {"port": 3005})) == {
        "port": 3005,
        "keep_on_anthropic": {"images": False},
    }


def test_present_setting_is_changed_where_it_stands() -> None:
    assert edited(OWN, {"port": 3003, "keep_on_anthropic.images": False}) == OWN.replace(
        "3002", "3003"
    ).replace("images = true", "images = false")


def test_setting_without_a_value_leaves_the_file() -> None:
    after = edited(OWN, {"port": None, "keep_on_anthropic.images": None, "log_level": None})

    assert "port" not in tomllib.loads(after)
    assert tomllib.loads(after)["keep_on_anthropic"] == {}
    assert "# mine" in after


def test_routes_that_stay_keep_their_comments() -> None:
    routes = [
        {"match": "haiku", "backend": "zai", "send_model": "GLM-4.5-Air"},
        {"match": "sonnet", "backend": "other", "context_tokens": None},
    ]

    after = edited(OWN, {"route": routes})

    assert tomllib.loads(after)["route"] == [routes[0], {"match": "sonnet", "backend": "other"}]
    assert '[[route]]  # the daily work\nmatch = "sonnet"  # any\nbackend = "other"' in after
    assert tomllib.loads(after)["backend"] == tomllib.loads(OWN)["backend"]


def test_no_route_at_all_is_not_the_default_routes(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)

    assert save(paths, {}, {"route": []}).settings.routes == ()
    assert (
        save(paths, {}, {"route": None}).settings.routes == loader.load(paths, {}).settings.routes
    )
    assert len(loader.load(paths, {}).settings.routes) == 2


def test_text_that_is_no_toml_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        edited('zai_api_key = "0123456789abcdef.secret', {"port": 1})

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_value_where_a_table_belongs_is_refused() -> None:
    with pytest.raises(ConfigError, match="keep_on_anthropic is not a table"):
        edited("keep_on_anthropic = 1\n", {"keep_on_anthropic.images": True})


def test_refused_value_leaves_the_file_and_names_its_setting(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    save(paths, {}, {"week_start_hour": 9})
    before = paths.config_file.read_bytes()

    with pytest.raises(ConfigError) as caught:
        save(paths, {}, {"week_start_hour": 25})

    assert paths.config_file.read_bytes() == before
    assert caught.value.label == "week_start_hour"
    assert caught.value.problem == "is out of range"


def test_refused_route_names_its_number_and_key(tmp_path: Path) -> None:
    routes = [{"match": "sonnet", "backend": "zai"}, {"match": "haiku", "backend": "nobody"}]

    with pytest.raises(ConfigError) as caught:
        save(Paths.under(tmp_path), {}, {"route": routes})

    assert caught.value.label == "[[route]] number 2: backend"


def test_saved_file_is_private_and_its_mode_stays(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)

    save(paths, {}, {"thinking": "strip"})
    assert stat.S_IMODE(paths.config_file.stat().st_mode) == 0o600

    paths.config_file.chmod(0o640)
    assert save(paths, {}, {"thinking": "own"}).settings.thinking == "own"
    assert stat.S_IMODE(paths.config_file.stat().st_mode) == 0o640


def test_line_ends_and_byte_order_mark_stay(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_file.parent.mkdir(parents=True)
    paths.config_file.write_bytes(b"\xef\xbb\xbf# mine\r\nport = 3002\r\n")

    save(paths, {}, {"port": 3003, "week_start_day": 2})

    assert paths.config_file.read_bytes() == (
        b"\xef\xbb\xbf# mine\r\nport = 3003\r\nweek_start_day = 2\r\n"
    )


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        (
            b"# a\r\n\r\nport = 3002\n# b\r\n\n",
            {"port": 3003},
            b"# a\r\n\r\nport = 3003\n# b\r\n\n",
        ),
        (
            b"# a\n\n[backend.kimi]\r\n\n[tray]\r\n# b\n",
            {"backend.kimi": None},
            b"# a\n\n[tray]\r\n# b\n",
        ),
        (
            b"# a\r\n# b\n\r\n",
            {"backend.kimi": {"base_url": "https://a.example"}},
            b'# a\r\n# b\n\r\n[backend.kimi]\nbase_url = "https://a.example"\n',
        ),
    ],
)
def test_file_with_two_kinds_of_line_ends_keeps_each(
    tmp_path: Path, before: bytes, changes: dict[str, Any], after: bytes
) -> None:
    paths = Paths.under(tmp_path)
    paths.config_file.parent.mkdir(parents=True)
    paths.config_file.write_bytes(before)
    save(paths, {}, changes)
    assert paths.config_file.read_bytes() == after


def test_file_that_cannot_be_read_is_an_error_and_stays(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_file.mkdir(parents=True)

    with pytest.raises(OfframpError, match="not a file"):
        save(paths, {}, {"port": 3003})


_ROUTES = st.lists(
    st.fixed_dictionaries(
        {"match": st.sampled_from(["sonnet", "haiku", "opus", "a", "b"])},
        optional={"backend": st.just("zai"), "context_tokens": st.integers(1, 10**9)},
    ),
    max_size=4,
)
_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "port": st.integers(1, 65535),
        "thinking": st.sampled_from(["own", "strip"]),
        "let_conversations_finish": st.booleans(),
        "log_dir": st.sampled_from(["~/log", "it's", '"""', "\\", "#x\n"]),
        "keep_on_anthropic.images": st.booleans(),
        "backend.zai.images": st.booleans(),
        "route": _ROUTES,
    },
)


@settings(deadline=None, max_examples=50)  # each change parses the whole example
@given(st.lists(_CHANGES, max_size=3), st.sampled_from(["", OWN, EXAMPLE.read_text()]))
def test_edits_set_what_they_name_and_nothing_else(
    edits: list[dict[str, object]], text: str
) -> None:
    expected = tomllib.loads(text)
    for changes in edits:
        text = edited(text, changes)  # type: ignore[arg-type] - the values are drawn
        for name, value in changes.items():
            *tables, key = name.split(".")
            table = expected
            for each in tables:
                table = table.setdefault(each, {})
            table[key] = value

    assert tomllib.loads(text) == expected


def test_check_refuses_what_saving_would_and_writes_nothing(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(OWN)
    check(paths, {}, {"week_start_day": 2})
    with pytest.raises(ConfigError) as refused:
        check(paths, {}, {"week_start_day": 9})
    assert refused.value.label == "week_start_day"
    assert paths.config_file.read_text() == OWN
