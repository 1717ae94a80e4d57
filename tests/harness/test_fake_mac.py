"""The fake commands of a Mac, by the parts of Offramp that ask them."""

from __future__ import annotations

import _ctypes
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doctor_harness import doctor_context
from macos import answers
from macos.fake_mac import FakeMac
from macos.framework_python import turn_into_framework_build
from patience import PATIENCE_S

from offramp_cli.doctor.checks import check_claude_install
from offramp_core.control import port_owner
from offramp_core.control.port_owner import Holder
from offramp_tray.toolkit.notify_command import NotifyCommand
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from macos.answers import Answer

MESSAGE = Notification(key="k", title="A title", body='The "body"')
LOAD_AN_EXTENSION = """
import ctypes, site
ctypes.CDLL(site.getsitepackages()[0] + "/extension.so")
print("loaded", flush=True)
input()
"""


@pytest.fixture
def mac(tmp_path: Path) -> FakeMac:
    return FakeMac(tmp_path / "mac")


def ask(mac: FakeMac, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={"PATH": mac.path}, capture_output=True, text=True, check=False
    )


def test_holder_of_a_port_is_found_by_lsof(
    mac: FakeMac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", mac.path)
    mac.run_process(501, "node", name="node", listens=["127.0.0.1:3999", "*:4999"])
    mac.run_process(502, "/usr/bin/ruby", name="ruby", listens=["*:4998"], is_own=False)
    for port in (3999, 4999):
        found = port_owner.find("127.0.0.1", port, proc=tmp_path / "none")
        assert found == Holder(pid=501, name="node")
    assert port_owner.find("127.0.0.1", 4998, proc=tmp_path / "none") is None


@pytest.mark.parametrize(
    ("status", "is_there"), [(0, True), (-25308, False), (-25293, False), (-25244, False)]
)
def test_login_in_the_keychain_is_found_where_it_can_be(
    mac: FakeMac, tmp_path: Path, status: int, *, is_there: bool
) -> None:
    mac.keep_secret("Claude Code-credentials", "u", "a secret")
    mac.fail_keychain(status)
    here = doctor_context(tmp_path, PATH=mac.path, platform="darwin")
    login = check_claude_install.look_for_login(here, ())
    assert login.stored_in == ("the Keychain" if is_there else None)


@pytest.mark.parametrize(
    ("status", "code"), [(-25300, 44), (-25308, 36), (-25293, 51), (-25244, 100)]
)
def test_keychain_error_ends_with_the_code_that_macos_makes_of_it(
    mac: FakeMac, status: int, code: int
) -> None:
    mac.fail_keychain(status)
    done = ask(mac, "security", "find-generic-password", "-s", "x")
    assert (done.returncode, done.stdout) == (code, "")
    assert answers.KEYCHAIN_TEXTS[status] in done.stderr


def test_message_reaches_osascript_as_arguments(mac: FakeMac) -> None:
    NotifyCommand((str(mac.bin / "osascript"), "-e", "x", "-e", "y")).show(MESSAGE).join(PATIENCE_S)
    assert mac.notifications == [["A title", 'The "body"']]


@pytest.mark.parametrize(
    ("answer", "is_logged"),
    [(answers.NOTIFICATION_DROPPED, False), (answers.APPLE_EVENTS_REFUSED, True)],
)
def test_message_that_macos_refuses_is_logged_and_one_that_it_drops_can_not_be(
    mac: FakeMac, caplog: pytest.LogCaptureFixture, answer: Answer, *, is_logged: bool
) -> None:
    mac.answer("osascript", answer)
    NotifyCommand((str(mac.bin / "osascript"), "-e", "x")).show(MESSAGE).join(PATIENCE_S)
    assert mac.ran == ['osascript -e x A title The "body"']
    assert bool(caplog.records) == is_logged


def test_network_is_told_by_scutil(mac: FakeMac) -> None:
    assert ask(mac, "scutil", "--proxy").stdout == answers.PROXY_NONE.out
    assert ask(mac, "scutil", "--dns").stdout == answers.DNS.out
    mac.answer("scutil --proxy", answers.PROXY_HTTP)
    assert "HTTPSProxy : 127.0.0.1" in ask(mac, "scutil", "--proxy").stdout


def test_answer_is_given_as_often_as_asked_for_and_then_the_usual_one(mac: FakeMac) -> None:
    mac.answer("launchctl print-disabled", answers.BOOTSTRAP_IO_ERROR, times=2)
    codes = [ask(mac, "launchctl", "print-disabled", "gui/1").returncode for _ in range(3)]
    assert codes == [5, 5, 0]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's /proc")
def test_framework_build_hides_its_environment_from_ps_but_not_from_lsof(
    mac: FakeMac, tmp_path: Path
) -> None:
    environment = tmp_path / "env-1"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    [packages] = environment.glob("lib/python*/site-packages")
    shutil.copy(_ctypes.__file__, packages / "extension.so")
    program = turn_into_framework_build(environment, tmp_path / "Frameworks")
    mac.see_real_processes()
    with subprocess.Popen(
        [environment / "bin" / "python", "-c", LOAD_AN_EXTENSION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        shown = ask(mac, "ps", "-p", str(process.pid), "-o", "args=").stdout
        files = ask(mac, "lsof", "-nP", "-p", str(process.pid), "-d", "txt", "-Fn").stdout
        process.communicate("\n")
    assert shown.startswith(f"{program} -c ")
    assert str(environment) not in shown
    assert f"ftxt\nn{packages / 'extension.so'}\n" in files
