"""The system keyring in each of its moods, and a real one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring_harness import (
    FORGETFUL,
    NONE,
    NULL,
    TALKATIVE,
    has_real_keyring,
    lock,
    real_keyring,
)
from patience import PATIENCE_S

from offramp_core.keys.keyring_process import KeyringCommand, carry_out
from offramp_core.keys.system_keyring import KeyringError, SystemKeyring
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = Secret("0123456789abcdef0123456789abcdef.AbCdEfGh12345678")


def patient_keyring(service: str = "offramp-test") -> SystemKeyring:
    """A keyring with time enough on a busy machine."""
    return SystemKeyring(service, limit_s=60)


def test_key_that_was_set_is_found_and_deleted(use) -> None:
    fake = use()
    keyring = patient_keyring()
    assert keyring.look() == "Test keyring"
    assert keyring.get(["zai"]) == {}
    assert keyring.set("zai", KEY) == "Test keyring"
    assert fake.keys() == {"zai": KEY.reveal()}
    assert keyring.get(["zai", "other"]) == {"zai": KEY}
    assert patient_keyring("another service").get(["zai"]) == {}
    assert keyring.delete("zai") is True
    assert keyring.delete("zai") is False
    assert fake.keys() == {}


@pytest.mark.parametrize("kind", [NONE, NULL])
def test_what_keeps_nothing_is_no_keyring(use, kind) -> None:
    use(kind=kind)
    with pytest.raises(KeyringError) as caught:
        patient_keyring().set("zai", KEY)
    assert caught.value.trouble == "absent"
    assert "no system keyring" in caught.value.title
    assert "--file" in caught.value.hint


def test_locked_keyring_is_said_as_that(use) -> None:
    use().be("locked")
    with pytest.raises(KeyringError) as caught:
        patient_keyring().get(["zai"])
    assert caught.value.trouble == "locked"
    assert "Unlock it" in caught.value.hint


def test_failing_keyring_says_why(use) -> None:
    use().be("failing")
    with pytest.raises(KeyringError, match="it burnt down") as caught:
        patient_keyring().get(["zai"])
    assert caught.value.trouble == "failed"


def test_keyring_that_loses_keys_is_not_trusted(use) -> None:
    use(kind=FORGETFUL)
    with pytest.raises(KeyringError, match="did not give back") as caught:
        patient_keyring().set("zai", KEY)
    assert caught.value.trouble == "failed"


def test_error_that_repeats_the_key_is_masked(use) -> None:
    use(kind=TALKATIVE)
    with pytest.raises(KeyringError) as caught:
        patient_keyring().set("zai", KEY)
    assert KEY.reveal() not in str(caught.value)
    assert "can't store offramp-test zai *** (***)" in caught.value.title


def test_blocked_keyring_is_given_up_and_its_process_ended(use, tmp_path) -> None:
    use().be("blocked")
    said = threading.Event()
    started_s = time.monotonic()
    with pytest.raises(KeyringError, match="does not answer") as caught:
        SystemKeyring("offramp-test", limit_s=0.5, on_wait=said.set).get(["zai"])
    assert caught.value.trouble == "slow"
    assert said.is_set()
    assert time.monotonic() - started_s < 15
    assert not _children()


def test_key_is_in_no_argument_while_a_keyring_blocks(use) -> None:
    use().be("blocked")
    seen: list[bytes] = []

    def look() -> None:
        seen.extend((Path("/proc") / pid / "cmdline").read_bytes() for pid in _children())
        seen.extend((Path("/proc") / pid / "environ").read_bytes() for pid in _children())

    with pytest.raises(KeyringError):
        SystemKeyring("offramp-test", limit_s=0.5, on_wait=look).set("zai", KEY)
    if sys.platform == "linux":
        assert any(b"keyring_process" in each for each in seen)
    assert not any(KEY.reveal().encode() in each for each in seen)


def test_child_whose_parent_is_gone_ends_by_itself(use) -> None:
    use().be("blocked")
    command = '{"do":"get","service":"offramp-test","users":["zai"],"limit_s":1}'
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "offramp_core.keys.keyring_process"],
        input=command.encode(),
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ended.returncode < 0  # by its own alarm


def test_module_in_the_current_folder_is_not_run(use, tmp_path, monkeypatch) -> None:
    use()
    (tmp_path / "keyring.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    assert patient_keyring().look() == "Test keyring"


def test_answer_that_is_none_is_a_failure() -> None:
    with pytest.raises(KeyringError, match="can't be read"):
        SystemKeyring("offramp-test", child=("false",)).look()


def test_interpreter_that_is_gone_is_a_failure() -> None:
    with pytest.raises(KeyringError) as caught:
        SystemKeyring("offramp-test", child=("/nowhere/python",)).look()
    assert caught.value.trouble == "failed"


def _children() -> list[str]:
    """The processes that this one has started and that run, where the system shows them."""
    folder = Path("/proc/self/task")
    if not folder.exists():
        return []
    return [
        pid
        for task in folder.iterdir()
        for pid in (task / "children").read_text().split()
        if b"keyring_process" in (Path("/proc") / pid / "cmdline").read_bytes()
    ]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    if not has_real_keyring():
        pytest.skip("gnome-keyring-daemon or dbus-daemon is not here, which are Linux's")
    with tempfile.TemporaryDirectory(prefix="kr") as folder, real_keyring(Path(folder)) as found:
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        yield found


def test_real_keyring_keeps_a_key_and_never_prompts_once_locked(real) -> None:
    keyring = patient_keyring()
    assert keyring.look() == "SecretService Keyring"
    keyring.set("zai", KEY)
    assert keyring.get(["zai"]) == {"zai": KEY}
    lock(real)
    for call in (lambda: keyring.get(["zai"]), lambda: keyring.set("zai", KEY)):
        with pytest.raises(KeyringError) as caught:
            call()
        assert caught.value.trouble == "locked"
        assert "it waits for its password" in caught.value.title  # seen, not tried
    # With somebody there it may ask, but not for ever.
    with pytest.raises(KeyringError):
        SystemKeyring("offramp-test", may_prompt=True, limit_s=1).get(["zai"])


def test_real_keyring_forgets_what_is_deleted(real) -> None:
    keyring = patient_keyring()
    keyring.set("zai", KEY)
    assert keyring.delete("zai") is True
    assert keyring.get(["zai"]) == {}


def test_bus_that_is_gone_is_a_failure(monkeypatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.SecretService.Keyring")
    answer = carry_out(KeyringCommand(do="look", service="offramp-test"))
    assert answer.outcome == "failed"


class KeychainThatRefuses(KeyringBackend):
    """Answers as keyring words what the Keychain says."""

    priority = 1
    said = ""

    def get_password(self, service, username):
        raise RuntimeError(self.said)

    def set_password(self, service, username, password):
        raise RuntimeError(self.said)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("(-25308, 'Unknown Error')", "locked"),
        (
            "Can't get password from keychain: (-25293, 'Security Auth Failure: make sure "
            "executable is signed with codesign util')",
            "changed",
        ),
        ("(-25244, 'Unknown Error')", "changed"),
        ("(-67030, 'Unknown Error')", "changed"),
        ("(-50, 'Unknown Error')", "failed"),
    ],
)
def test_words_of_the_keychain_become_the_cure_that_works(monkeypatch, said, outcome) -> None:
    keychain = KeychainThatRefuses()
    keychain.said = said
    monkeypatch.setattr(keyring, "get_keyring", lambda: keychain)
    command = KeyringCommand(do="get", service="offramp-test", users=("zai",), may_prompt=True)
    assert carry_out(command).outcome == outcome


def test_changed_python_is_named_with_its_cure() -> None:
    error = KeyringError("changed", "-25293")
    assert "upgraded" in error.title
    assert "offramp key set" in error.hint
