"""The checks of keys and of the keyring, with the simulator and a keyring of the test's own."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest
from daemon_process import free_port, write_config
from doctor_harness import doctor_context, said, severities
from keyring_harness import NONE, FakeKeyring
from proxy_harness import ZAI_KEY

from offramp_cli.doctor.checks import check_keys
from offramp_cli.doctor.checks.check_keys import KeyFacts, KeyringFacts
from offramp_core.control.api import BackendStatus
from offramp_core.keys.key_store import KeyStore
from offramp_core.paths import Paths
from offramp_core.settings import Secret
from offramp_daemon.upstream.key_check import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_cli.doctor.context import DoctorContext

WRONG_KEY = "invalid00invalid00invalid00inval.invalidinvalid"
ACCEPTED = Verdict(outcome="accepted", text="Z.ai accepts this key.")
REFUSED = Verdict(outcome="refused", text="Z.ai refuses this key.")
UNKNOWN = Verdict(outcome="unknown", text="The key for Z.ai could not be checked.")
FACTS = KeyFacts(
    backend="zai",
    masked="0f1e2...7Vm2K",
    where="here",
    problem=None,
    has_usual_shape=True,
    verdict=ACCEPTED,
    of_daemon=None,
)
KEYRING = KeyringFacts(name="Own", trouble=None, detail="", entries={}, lost=(), file_problem=None)


async def look(here: DoctorContext) -> KeyFacts:
    (backend,) = check_keys.backends_with_key(here)
    return await asyncio.to_thread(check_keys.look, here, backend)


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    """A keyring that this process's children use."""
    found = FakeKeyring(tmp_path / "keyring")
    found.folder.mkdir()
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    return found


async def test_good_key_is_accepted_and_shown_masked(tmp_path, sim):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    facts = await look(doctor_context(tmp_path))
    remarks = [*check_keys.judge(facts)]
    assert severities(remarks) == ["ok"]
    assert "0f1e2...7Vm2K" in said(remarks)
    assert "config.toml" in said(remarks)
    assert ZAI_KEY not in said(remarks) + repr(facts)
    assert not any("sk-ant" in str(entry.headers) for entry in sim.journal.requests)


async def test_key_that_the_backend_refuses_is_a_failure(tmp_path, sim):
    file = write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    file.write_text(file.read_text().replace(ZAI_KEY, WRONG_KEY))
    remarks = [*check_keys.judge(await look(doctor_context(tmp_path)))]
    assert severities(remarks) == ["failure"]
    assert "offramp key set zai" in said(remarks)
    assert WRONG_KEY not in said(remarks)


async def test_key_that_can_not_be_checked_is_noted(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    write_config(tmp_path, url, url)
    remarks = [*check_keys.judge(await look(doctor_context(tmp_path)))]
    assert severities(remarks) == ["note"]
    assert "could not be checked" in said(remarks)


async def test_missing_key_is_a_warning(tmp_path):
    remarks = [*check_keys.judge(await look(doctor_context(tmp_path)))]
    assert severities(remarks) == ["warning"]
    assert "offramp key set zai" in said(remarks)


async def test_key_is_not_looked_for_in_settings_that_are_refused(tmp_path):
    file = write_config(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9", top="prot = 1")
    assert file.exists()
    remarks = [*check_keys.judge(await look(doctor_context(tmp_path)))]
    assert severities(remarks) == ["warning"]
    assert "settings can't be read" in said(remarks)


async def test_key_in_the_keyring_is_found(tmp_path, sim, keyring):
    file = write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    file.write_text(file.read_text().replace(f'key = "{ZAI_KEY}"', ""))
    store = KeyStore(Paths.under(tmp_path))
    kept = await asyncio.to_thread(store.set, "zai", Secret(ZAI_KEY))
    assert kept.place == "keyring"
    remarks = [*check_keys.judge(await look(doctor_context(tmp_path)))]
    assert severities(remarks) == ["ok"]
    assert "from the system keyring" in said(remarks)
    of_keyring = await asyncio.to_thread(check_keys.look_at_keyring, doctor_context(tmp_path))
    remarks = [*check_keys.judge_keyring(of_keyring)]
    assert severities(remarks) == ["ok"]
    assert "It has the key for zai" in said(remarks)
    keyring.file.unlink()
    of_keyring = await asyncio.to_thread(check_keys.look_at_keyring, doctor_context(tmp_path))
    assert severities(check_keys.judge_keyring(of_keyring)) == ["ok", "warning"]
    keyring.be("locked")
    remarks = [*check_keys.judge(await look(doctor_context(tmp_path)))]
    assert severities(remarks) == ["warning"]
    assert "locked" in said(remarks)
    of_keyring = await asyncio.to_thread(check_keys.look_at_keyring, doctor_context(tmp_path))
    remarks = [*check_keys.judge_keyring(of_keyring)]
    assert severities(remarks) == ["warning"]
    assert "--file" in said(remarks)


async def test_keyring_that_is_not_there_is_noted(tmp_path, keyring, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", NONE)
    of_keyring = await asyncio.to_thread(check_keys.look_at_keyring, doctor_context(tmp_path))
    assert of_keyring.trouble == "absent"
    assert severities(check_keys.judge_keyring(of_keyring)) == ["note"]


@pytest.mark.parametrize(
    ("fields", "expected", "words"),
    [
        ({}, ["ok"], "from here"),
        ({"verdict": REFUSED}, ["failure"], "refuses"),
        ({"verdict": UNKNOWN}, ["note"], "could not"),
        ({"verdict": UNKNOWN, "has_usual_shape": False}, ["note", "warning"], "look like"),
        ({"masked": None, "verdict": None, "problem": "Locked."}, ["warning"], "Locked."),
        (
            {"of_daemon": BackendStatus(name="zai", key="missing", key_note="waits")},
            ["ok", "warning"],
            "(waits), though this shell has one",
        ),
        ({"of_daemon": BackendStatus(name="zai", key="present")}, ["ok"], "accepts"),
        (
            {
                "masked": None,
                "verdict": None,
                "of_daemon": BackendStatus(name="zai", key="present"),
            },
            ["warning", "note"],
            "that this shell does not have",
        ),
        (
            {"quota_problem": "Z.ai's quota page refuses the key."},
            ["ok", "note"],
            "is not known: Z.ai's quota page refuses the key.\nIts requests are served",
        ),
    ],
)
def test_key_is_judged(fields, expected, words):
    remarks = [*check_keys.judge(dataclasses.replace(FACTS, **fields))]
    assert severities(remarks) == expected
    assert words in said(remarks)


def test_key_file_that_can_not_be_read_is_a_failure():
    facts = dataclasses.replace(KEYRING, file_problem="keys.json is no JSON.")
    assert severities(check_keys.judge_keyring(facts)) == ["ok", "failure"]
