"""What is sent for names that a backend does not know outlives a restart, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from proxy_harness import settings_for

from offramp_daemon.routing import fallback_file
from offramp_daemon.routing.decision import Decision
from offramp_daemon.routing.fallback_file import FallbackFile
from offramp_daemon.routing.model_fallbacks import ModelFallbacks, Stored
from offramp_daemon.storage.background_writer import BackgroundWriter

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SETTINGS = settings_for("http://127.0.0.1:1", "http://127.0.0.1:2")
ZAI = SETTINGS.backend("zai")
SONNET = "claude-sonnet-5-5"
ROUTED = Decision(backend=ZAI, reason="route sonnet", route=SETTINGS.routes[0])


def learnt(model: str = SONNET) -> Stored:
    kept: list[Stored] = []
    fallbacks = ModelFallbacks(clock=lambda: NOON, on_change=kept.append)
    other = fallbacks.alternative(ROUTED, model)
    assert other is not None
    fallbacks.remember(ROUTED, model, other)
    return kept[-1] if kept else ()


def write(file: Path, stored: Stored) -> list[str]:
    said: list[str] = []
    writer = BackgroundWriter("test")
    kept = FallbackFile(file, writer, lambda: said.append("changed"))
    writer.start()
    kept.put(stored)
    writer.close(5)
    return said


def read(file: Path) -> Stored:
    return FallbackFile(file, BackgroundWriter("test"), lambda: None).load()


def test_what_is_learnt_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "new" / "model-fallbacks.json"
    assert write(file, learnt()) == ["changed"]
    assert file.stat().st_mode & 0o777 == 0o600
    again = ModelFallbacks(clock=lambda: NOON)
    again.take_up(read(file))
    applied = again.applied(ROUTED, SONNET)
    assert applied.route is not None
    assert applied.route.send_model == "GLM-4.7"
    assert [each.sent for each in again.current(SETTINGS.backends)] == ["GLM-4.7"]


def test_other_version_begins_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model-fallbacks.json"
    write(file, learnt())
    monkeypatch.setattr(fallback_file, "__version__", "99.0")
    assert read(file) == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":7}', b"\xff", b"[" * 99_999])
def test_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model-fallbacks.json"
    file.write_bytes(content)
    assert read(file) == ()
    assert read(tmp_path / "missing.json") == ()


def test_other_address_than_before_the_restart_has_the_name_tried_again() -> None:
    again = ModelFallbacks(clock=lambda: NOON)
    again.take_up(learnt())
    moved = settings_for("http://127.0.0.1:1", "http://127.0.0.1:3")
    decision = Decision(backend=moved.backend("zai"), reason="route sonnet", route=moved.routes[0])
    assert again.applied(decision, SONNET) is decision
    assert again.current(moved.backends) == ()


def test_after_a_day_the_name_is_tried_again() -> None:
    again = ModelFallbacks(clock=lambda: NOON + timedelta(days=1))
    again.take_up(learnt())
    assert again.applied(ROUTED, SONNET) is ROUTED


@pytest.mark.parametrize("model", ["x" * 201, "sonnet\nx", "sk-ant-oat01-abcdefgh", "a b"])
def test_odd_name_is_not_kept(model: str) -> None:
    assert learnt(model) == ()


def test_names_of_many_clients_do_not_fill_the_memory() -> None:
    fallbacks = ModelFallbacks(clock=lambda: NOON)
    for number in range(300):
        model = f"claude-sonnet-{number}"
        other = fallbacks.alternative(ROUTED, model)
        assert other is not None
        fallbacks.remember(ROUTED, model, other)
    assert len(fallbacks.current(SETTINGS.backends)) == 100
