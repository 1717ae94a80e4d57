"""Any file that TOML can hold either loads or is refused, and no secret ever shows."""

from __future__ import annotations

import traceback
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offramp_core.config.loader import ConfigError, load
from offramp_core.config.schema import BACKEND, KEEP, ROUTE, SETTINGS, SHORTHANDS, TRAY
from offramp_core.config.toml_file import KEY_ENV
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET = "Zz9!qX7"
"""Nothing that the masking of what looks like a key would catch."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**1000, max_value=2**1001),
    st.floats(),
    texts,
    st.sampled_from(
        [
            "anthropic",
            "zai",
            "client",
            "info",
            "own",
            "sonnet",
            "0.0.0.0",
            "http://localhost:3001",
            "https://x.example:99999",
            "/tmp",
            "~",
            datetime(2026, 1, 1, tzinfo=UTC),
            date(2026, 1, 1),
            time(1, 2),
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
secrets = st.one_of(
    st.just(SECRET),
    texts.map(lambda text: f"{text}{SECRET}"),
    texts.map(lambda text: f"{SECRET}{text}"),
    st.just([SECRET]),
    st.just({"key": SECRET}),
)


def tables(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables that hold known keys for the most part, each with anything."""
    return st.dictionaries(st.sampled_from(keys) | texts, values, max_size=4)


backend_tables = st.builds(
    lambda table, secret: table | secret,
    tables(list(BACKEND)),
    st.dictionaries(st.sampled_from(["key", KEY_ENV]), secrets, max_size=2),
)
documents = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    tables([*SETTINGS, *SHORTHANDS]),
    st.dictionaries(st.sampled_from(["zai_api_key", "client_token"]), secrets),
    st.fixed_dictionaries(
        {},
        optional={
            "keep_on_anthropic": tables(list(KEEP)) | values,
            "tray": tables(list(TRAY)) | values,
            "backend": st.dictionaries(
                st.sampled_from(["anthropic", "zai", "mine"]) | texts,
                backend_tables | values,
                max_size=3,
            )
            | values,
            "route": st.lists(tables(list(ROUTE)), max_size=3) | values,
        },
    ),
)


def to_toml(value: object) -> str:
    """`value` as TOML writes it; tables inline."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
        case dict():
            inner = ", ".join(f"{to_toml(key)} = {to_toml(item)}" for key, item in value.items())
            return f"{{ {inner} }}"
        case list():
            return f"[{', '.join(to_toml(item) for item in value)}]"
        case int():
            return hex(value) if value >= 0 else str(value)
        case float():
            return repr(value)
        case date() | time():
            return value.isoformat()
        case _:
            raise TypeError(type(value))


def outcome(paths: Paths, environ: Mapping[str, str], *, is_demo: bool) -> str:
    """All that anybody could see of the settings or of their refusal."""
    try:
        return repr(load(paths, environ, is_demo=is_demo))
    except ConfigError as error:
        refusal = error
    assert refusal.hint
    assert "\n" not in refusal.title
    return "".join(traceback.format_exception(refusal)) + repr(refusal.__context__)


def check(root: Path, document: Mapping[str, object], env: str, environ: dict[str, str]) -> None:
    paths = Paths.under(root)
    paths.config_dir.mkdir(exist_ok=True)
    toml = "".join(f"{to_toml(key)} = {to_toml(value)}\n" for key, value in document.items())
    paths.config_file.write_text(toml, encoding="utf-8")
    paths.env_file.write_text(env, encoding="utf-8", newline="")
    for is_demo in (False, True):
        assert SECRET not in outcome(paths, environ, is_demo=is_demo)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=documents)
def test_any_file_loads_or_is_refused_without_its_secrets(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    check(tmp_path, document, "", {})


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    env=st.text(st.characters(exclude_categories=["Cs"])),
    environ=st.dictionaries(
        st.sampled_from([key.upper() for key in (*SETTINGS, *SHORTHANDS)]).flatmap(
            lambda name: st.sampled_from([name, f"OFFRAMP_{name}"])
        ),
        st.text(max_size=20) | st.sampled_from(["1", "localhost", "http://[::1]:3001", "1e999"]),
    ),
    secret=secrets.filter(lambda secret: isinstance(secret, str)),
)
def test_any_variables_load_or_are_refused_without_their_secrets(
    tmp_path: Path, env: str, environ: dict[str, str], secret: str
) -> None:
    text = env + f"\nZAI_API_KEY={secret}\n{secret}"
    check(tmp_path, {}, text, environ | {"OFFRAMP_ZAI_API_KEY": secret})
