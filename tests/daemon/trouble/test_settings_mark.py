"""Which changes of the settings make another mark."""

from __future__ import annotations

import msgspec
import pytest
from proxy_harness import settings_for

from offramp_core.settings import KeepRules, Secret, Settings
from offramp_daemon.trouble.settings_mark import mark_of, marks_of

SETTINGS = settings_for("http://127.0.0.1:1", "http://127.0.0.1:2")
SONNET = SETTINGS.routes[0]


def with_backend(**fields) -> Settings:
    backends = tuple(
        msgspec.structs.replace(each, **fields) if each.name == "zai" else each
        for each in SETTINGS.backends
    )
    return msgspec.structs.replace(SETTINGS, backends=backends)


@pytest.mark.parametrize(
    "changed",
    [
        with_backend(base_url="http://127.0.0.1:3"),
        with_backend(accept_fields=("diagnostics",)),
        with_backend(drop_fields=("top_k",)),
        msgspec.structs.replace(SETTINGS, thinking="strip"),
        msgspec.structs.replace(SETTINGS, keep_on_anthropic=KeepRules(images=False)),
    ],
)
def test_setting_that_decides_what_is_sent_makes_another_mark(changed):
    assert mark_of(changed, SONNET) != mark_of(SETTINGS, SONNET)


@pytest.mark.parametrize(
    "changed",
    [
        with_backend(key=Secret("another key, of the same length or not")),
        with_backend(key=None),
        msgspec.structs.replace(SETTINGS, log_level="debug"),
        msgspec.structs.replace(SETTINGS, failover=False),
    ],
)
def test_other_settings_and_keys_make_the_same_mark(changed):
    assert mark_of(changed, SONNET) == mark_of(SETTINGS, SONNET)


def test_each_route_has_a_mark_of_its_own():
    longer = msgspec.structs.replace(SONNET, context_tokens=1_000_000)
    assert mark_of(SETTINGS, longer) != mark_of(SETTINGS, SONNET)
    assert marks_of(SETTINGS, "zai") == {mark_of(SETTINGS, route) for route in SETTINGS.routes}
    assert marks_of(SETTINGS, "unheard-of") == set()
