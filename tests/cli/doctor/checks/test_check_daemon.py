"""The checks of the daemon, its port, its environment, its login item, the system and settings."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from daemon_process import free_port
from doctor_harness import doctor_context, said, severities

from offramp_cli.doctor.checks import (
    check_daemon,
    check_environment,
    check_file_modes,
    check_login_item,
    check_port,
    check_settings,
    check_system,
    check_versions,
)
from offramp_cli.doctor.checks.check_environment import Environments
from offramp_cli.doctor.checks.check_login_item import LoginItemFacts
from offramp_cli.doctor.checks.check_port import Answerer, PortProbe
from offramp_cli.doctor.checks.check_system import System
from offramp_cli.doctor.checks.check_versions import Versions
from offramp_core import __version__
from offramp_core.config import loader
from offramp_core.control.api import ControlAnswer, Pause, RecordsStatus, ShortPlan, Status
from offramp_core.control.client import ControlError, NotRunningError, OtherVersionError
from offramp_core.control.port_owner import Holder
from offramp_core.login_item.service import LoginItemState
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"
STATUS = Status(
    pid=17,
    started=NOW,
    uptime_s=60,
    address="http://localhost:3001",
    records=RecordsStatus(written=1, waiting=0, lost=0),
    settings_file="/home/me/config.toml",
)
STATE = LoginItemState(
    manager="systemd",
    files=(Path("/u/offramp.socket"), Path("/u/offramp.service")),
    is_installed=True,
    is_enabled=True,
    is_listening=True,
    is_running=True,
    pid=16,
    program="/home/me/.local/bin/offramp-daemon",
    listens_on=("127.0.0.1:3001", "[::1]:3001"),
    detail="active (running)",
)
ITEM = LoginItemFacts(state=STATE, is_program_there=True, version=__version__, wanted_port=3001)


def changed(**fields: Any) -> Status:
    return msgspec.structs.replace(STATUS, **fields)


@pytest.mark.parametrize(
    ("status", "trouble", "answerer", "expected", "words"),
    [
        (STATUS, None, Answerer(pid=17), ["ok"], "in the foreground, as pid 17"),
        (changed(supervisor_pid=16), None, Answerer(pid=17), ["ok"], "supervisor (pid 16)"),
        (STATUS, None, Answerer(pid=18), ["ok", "failure"], "kill 18"),
        (STATUS, None, Answerer(pid=None), ["ok"], "1 min"),
        (changed(pause=Pause(since=NOW)), None, None, ["ok", "note"], "offramp resume"),
        (
            changed(pause=Pause(since=NOW, until=NOW + timedelta(hours=1))),
            None,
            None,
            ["ok", "note"],
            "until 13:00",
        ),
        (changed(is_stopping=True), None, None, ["ok", "warning"], "shutting down"),
        (changed(settings_problem="Bad."), None, None, ["ok", "failure"], "/home/me/config.toml"),
        (
            changed(records=RecordsStatus(written=0, waiting=2, lost=1, last_error="disk full")),
            None,
            None,
            ["ok", "failure"],
            "disk full): 2 waiting, 1 lost",
        ),
        (None, NotRunningError("Nobody."), None, ["failure"], "offramp serve"),
        (None, NotRunningError("Nobody."), Answerer(pid=5), ["warning"], "pid 5"),
        (None, ControlError("Hangs.", hint="Kill it."), None, ["failure"], "Kill it."),
        (
            None,
            OtherVersionError(ControlAnswer(protocol=99, version="9.0")),
            None,
            ["failure"],
            "use the offramp command of its version",
        ),
    ],
)
def test_daemon_is_judged(status, trouble, answerer, expected, words):
    remarks = [*check_daemon.judge(status, trouble, answerer, now=NOW, zone=UTC)]
    assert severities(remarks) == expected
    assert words in said(remarks)


HELD = Holder(pid=99, name="node", since=NOW - timedelta(hours=2))
V4 = PortProbe(host="127.0.0.1", state="offramp", answerer=Answerer(pid=1))
V6 = PortProbe(host="::1", state="offramp", answerer=Answerer(pid=1))


@pytest.mark.parametrize(
    ("probes", "is_running", "expected", "words"),
    [
        ((V4, V6), True, ["ok"], "127.0.0.1 and [::1]"),
        ((V4, PortProbe(host="::1", state="no such address")), True, ["ok"], "at 127.0.0.1."),
        ((V4, PortProbe(host="::1", state="closed")), True, ["ok", "note"], "[::1], port 3001"),
        (
            (V4, PortProbe(host="::1", state="other", holder=HELD)),
            True,
            ["ok", "failure"],
            "kill 99",
        ),
        ((PortProbe(host="127.0.0.1", state="other", holder=HELD),), False, ["failure"], "2 h"),
        ((PortProbe(host="127.0.0.1", state="silent"),), False, ["failure"], "another user"),
        ((PortProbe(host="127.0.0.1", state="closed"),), False, ["note"], "is free"),
        ((PortProbe(host="127.0.0.1", state="closed"),), True, ["failure"], "offramp restart"),
    ],
)
def test_port_is_judged(probes, is_running, expected, words):
    remarks = [*check_port.judge(probes, 3001, wanted_port=3001, is_running=is_running, now=NOW)]
    assert severities(remarks) == expected
    assert words in said(remarks)


@pytest.mark.parametrize(
    ("platform", "command"),
    [("darwin", "sudo lsof -nP -iTCP:3001 -sTCP:LISTEN"), ("linux", "sudo ss -ltnp")],
)
def test_hidden_program_on_the_port_is_looked_for_by_a_command_of_the_system(platform, command):
    silent = PortProbe(host="127.0.0.1", state="silent")
    [remark] = check_port.judge(
        (silent,), 3001, wanted_port=3001, is_running=False, now=NOW, platform=platform
    )
    assert f"({command})" in remark.cure


def test_port_other_than_the_settings_is_noted():
    remarks = [*check_port.judge((V4,), 3001, wanted_port=3005, is_running=True, now=NOW)]
    assert severities(remarks) == ["ok", "note"]
    assert "port 3005" in remarks[1].saw


@pytest.mark.parametrize(("probes", "is_said"), [((V4, V6), True), ((V4,), True), ((), False)])
def test_program_at_all_other_addresses_is_a_warning_where_offramp_answers(probes, is_said):
    beside = Holder(pid=77, name="node")
    remarks = [
        *check_port.judge(probes, 3001, wanted_port=3001, is_running=True, now=NOW, beside=beside)
    ]
    assert severities(remarks) == (["ok", "warning"] if is_said else [])
    assert ("node (pid 77) listens on port 3001 too" in said(remarks)) is is_said


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_program_at_every_address_is_looked_for_unless_that_is_offramp_itself(tmp_path):
    with socket.create_server(("", 0)) as everywhere:
        port = str(everywhere.getsockname()[1])
        found = check_port.look_beside(doctor_context(tmp_path, PORT=port))
        assert found is not None
        assert found.pid == os.getpid()
        token = "0123456789abcdef" * 2
        itself = doctor_context(tmp_path, PORT=port, HOST="0.0.0.0", OFFRAMP_CLIENT_TOKEN=token)
        assert itself.problem is None
        assert check_port.look_beside(itself) is None
    with socket.create_server(("127.0.0.1", 0)) as ours:
        here = doctor_context(tmp_path, PORT=str(ours.getsockname()[1]))
        assert check_port.look_beside(here) is None


@contextmanager
def web_server(body: bytes) -> Iterator[int]:
    """A server of somebody else's that answers everything with `body`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look_at(tmp_path: Path, number: int, **limits: float) -> tuple[PortProbe, ...]:
    return check_port.look(doctor_context(tmp_path, PORT=str(number)), **limits)


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"service": "else"}', b"\xff", b"9" * 5000])
def test_port_of_another_program_is_named(tmp_path, body):
    with web_server(body) as number:
        v4, v6 = look_at(tmp_path, number)
    assert v4.state == "other"
    assert v6.state in {"closed", "no such address"}
    assert v4.holder is not None
    assert v4.holder.pid == os.getpid()


def test_offramp_on_the_port_is_told_by_its_answer(tmp_path):
    body = json.dumps({"service": "offramp", "pid": 4711}).encode()
    with web_server(body) as number:
        probes = look_at(tmp_path, number)
    assert check_port.answerer_of(probes) == Answerer(pid=4711)


@pytest.mark.parametrize(
    ("variables", "state"),
    [({}, "other"), ({"OFFRAMP_CLIENT_TOKEN": "a-token-of-24-characters"}, "offramp")],
)
def test_offramp_that_wants_a_token_is_recognised_where_one_is_set(tmp_path, variables, state):
    body = json.dumps({"status": "refused", "service": "offramp", "pid": 4711}).encode()
    with web_server(body) as number:
        context = doctor_context(tmp_path, PORT=str(number), **variables)
        assert check_port.look(context)[0].state == state


def test_silent_program_on_the_port_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        v4, _ = look_at(tmp_path, mute.getsockname()[1], limit_s=0.05)
    assert v4.state == "silent"
    assert v4.holder is not None


def test_free_port_is_closed(tmp_path):
    number = free_port()
    assert look_at(tmp_path, number)[0].state == "closed"


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (("127.0.0.1",), "ok"),
        (("::1", "127.0.0.1"), "ok"),
        (("::1",), "ok"),
        ((), "failure"),
        (("192.0.2.7",), "failure"),
        (("127.0.0.1", "192.0.2.7"), "failure"),
    ],
)
def test_localhost_must_be_this_machine(addresses, expected):
    remarks = [*check_port.judge_localhost(addresses)]
    assert severities(remarks) == [expected]
    assert ("/etc/hosts" in said(remarks)) == (expected == "failure")


def test_localhost_is_looked_up_for_real():
    assert severities(check_port.judge_localhost(check_port.look_up_localhost())) == ["ok"]


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [(None, ["ok"]), ("1.0", ["ok"]), ("0.9", ["ok", "warning"]), ("1.1", ["ok", "warning"])],
)
def test_daemon_of_another_version_is_a_warning(theirs, expected):
    remarks = [*check_versions.judge(Versions(own="1.0", daemon=theirs, python="3", system="L"))]
    assert severities(remarks) == expected
    assert ("offramp restart" in said(remarks)) == ("warning" in expected)


def test_versions_are_looked_up(tmp_path):
    found = check_versions.look(doctor_context(tmp_path, status=changed(version="9.9")))
    assert (found.own, found.daemon) == (__version__, "9.9")


def test_settings_are_judged(tmp_path):
    good = doctor_context(tmp_path, OFFRAMP_PROT="1")
    assert good.loaded is not None
    file = good.paths.config_file
    remarks = [*check_settings.judge(None, good.loaded.notes, file, is_there=False)]
    assert severities(remarks) == ["ok", "note"]  # the missing key is not repeated here
    assert "OFFRAMP_PORT" in said(remarks)
    file.parent.mkdir(parents=True)
    file.write_text("prot = 1\n")
    bad = doctor_context(tmp_path)
    assert bad.problem is not None
    remarks = [*check_settings.judge(bad.problem, (), file, is_there=True)]
    assert severities(remarks) == ["failure"]
    assert "Did you mean port?" in said(remarks)
    assert bad.settings.backend("zai")  # what stands in for them can be gone on with


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("port = 3002\n", 0o644, "ok"),
        (f'zai_api_key = "{KEY}"\n', 0o644, "warning"),
        (f'zai_api_key = "{KEY}"\n', 0o640, "warning"),
        (f'zai_api_key = "{KEY}"\n', 0o600, "ok"),
        ('[backend.zai]\nkey_env = "MY_KEY"\n', 0o644, "ok"),
        ("this is no TOML", 0o644, "warning"),
    ],
)
def test_settings_that_hold_a_key_must_be_private(tmp_path, text, mode, expected):
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir(mode=0o700)
    paths.config_file.write_text(text)
    paths.config_file.chmod(mode)
    remarks = [*check_file_modes.judge(check_file_modes.look(paths), paths)]
    assert severities(remarks) == [expected]
    assert ("chmod 600" in said(remarks)) == (expected == "warning")
    assert KEY not in said(remarks)


@pytest.mark.parametrize("name", [".env", "keys.json"])
def test_other_files_of_secrets_must_be_private(tmp_path, name):
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir(mode=0o777)
    paths.config_dir.chmod(0o777)
    (paths.config_dir / name).write_text("")
    (paths.config_dir / name).chmod(0o604)
    remarks = [*check_file_modes.judge(check_file_modes.look(paths), paths)]
    assert severities(remarks) == ["warning", "warning"]
    assert "chmod 700" in remarks[0].cure
    assert name in remarks[1].saw


@pytest.mark.parametrize(
    ("shell", "of_daemon", "expected", "words"),
    [
        ({}, None, ["ok"], "no proxy"),
        ({"HTTPS_PROXY": "http://p"}, None, ["note"], "offramp install"),
        ({"HTTPS_PROXY": "http://p"}, {"HTTPS_PROXY": "http://p"}, ["ok"], "http://p"),
        ({"HTTPS_PROXY": "http://p"}, {}, ["warning"], "offramp install"),
        ({"SSL_CERT_FILE": "/ca"}, {}, ["warning"], "SSL_CERT_FILE"),
        ({}, {"HTTPS_PROXY": "http://p"}, ["note"], "not in this shell"),
        ({"NO_PROXY": "a"}, {"NO_PROXY": "b"}, ["note"], "b where the daemon runs"),
        ({"HTTPS_PROXY": "http://me:c0rp-passw0rd@p"}, {}, ["warning"], "***@p"),
    ],
)
def test_environments_are_compared(shell, of_daemon, expected, words):
    remarks = [*check_environment.judge(Environments(shell=shell, daemon=of_daemon))]
    assert severities(remarks) == expected
    assert words in said(remarks)
    assert "passw0rd" not in said(remarks)


def test_env_file_that_is_newer_than_the_daemon_is_not_taken_for_in_force():
    environments = Environments(
        shell={"HTTPS_PROXY": "http://p"},
        daemon={"HTTPS_PROXY": "http://p"},
        came_later=("HTTPS_PROXY",),
    )
    (remark,) = check_environment.judge(environments)
    assert severities([remark]) == ["warning"]
    assert "HTTPS_PROXY" in remark.saw
    assert remark.cure == "offramp restart"


def test_environment_of_the_daemon_is_read_where_the_system_shows_it(tmp_path):
    process = tmp_path / "proc" / "17"
    process.mkdir(parents=True)
    (process / "environ").write_bytes(b"https_proxy=http://p\0HTTPS_PROXY=http://q\0KEY=1\0odd\0")
    here = doctor_context(tmp_path, status=STATUS, SSL_CERT_FILE="/ca")
    env_file = here.paths.env_file
    env_file.parent.mkdir(parents=True)
    env_file.write_text("NO_PROXY=a.example\nHTTPS_PROXY=http://weaker\n")
    found = check_environment.look(here, proc=tmp_path / "proc")
    assert found.daemon == {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example"}
    assert found.shell == {
        "HTTPS_PROXY": "http://weaker",
        "NO_PROXY": "a.example",
        "SSL_CERT_FILE": "/ca",
    }
    adopted = {"https_proxy": "http://shell", "SSL_CERT_FILE": "/ca", "HOME": "/h"}
    check_environment.adopt(found, adopted)
    assert adopted == {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example", "HOME": "/h"}
    unseen = check_environment.look(here, proc=tmp_path / "none")
    assert unseen.daemon is None
    assert unseen.in_force == found.shell


LOGIN = "me:c0rp-passw0rd"


@pytest.mark.parametrize(
    ("shell", "of_daemon", "in_force", "expected"),
    [
        ({}, {}, {}, ["ok"]),
        (
            {"HTTPS_PROXY": f"http://{LOGIN}@p:8080"},
            {"HTTPS_PROXY": "http://***@p:8080"},
            {"HTTPS_PROXY": f"http://{LOGIN}@p:8080"},
            ["ok"],
        ),
        ({}, {"HTTPS_PROXY": "http://***@p"}, {"HTTPS_PROXY": "http://p"}, ["note"]),
        ({"http_proxy": f"{LOGIN}@p:1"}, {"HTTP_PROXY": ""}, {"HTTP_PROXY": ""}, ["note"]),
        ({}, {"NO_PROXY": ""}, {"NO_PROXY": ""}, ["note"]),
        ({"SSL_CERT_DIR": "/a@b"}, {}, {}, ["warning"]),
        ({"SSL_CERT_DIR": "/a@b"}, {"SSL_CERT_DIR": "/a@b"}, {"SSL_CERT_DIR": "/a@b"}, ["ok"]),
        ({}, {"FROM_THE_FUTURE": "1"}, {}, ["ok"]),
    ],
)
def test_daemon_that_can_not_be_looked_into_says_what_it_has(
    tmp_path, shell, of_daemon, in_force, expected
):
    status = msgspec.structs.replace(STATUS, variables=of_daemon)
    here = doctor_context(tmp_path, status=status, **shell)
    found = check_environment.look(here, proc=tmp_path / "none")
    remarks = [*check_environment.judge(found)]
    assert severities(remarks) == expected
    assert found.in_force == in_force
    assert "passw0rd" not in said(remarks)


@pytest.mark.parametrize(
    ("status", "words"), [(None, "no daemon to compare with"), (STATUS, "does not show")]
)
def test_daemon_that_does_not_say_what_it_has_is_told_from_none(tmp_path, status, words):
    here = doctor_context(tmp_path, status=status)
    found = check_environment.look(here, proc=tmp_path / "none")
    remarks = [*check_environment.judge(found)]
    assert words in said(remarks)
    assert ("offramp restart" in said(remarks)) is (status is not None)


BAD_PROXY = {"ALL_PROXY": "quic://me:c0rp-passw0rd@p"}


@pytest.mark.parametrize(
    ("shell", "warnings", "words"),
    [
        (BAD_PROXY, 1, "ALL_PROXY is ignored"),
        ({"all_proxy": "socks5://:1"}, 1, "no usable host"),
        ({**BAD_PROXY, "HTTPS_PROXY": "http://p"}, 0, ""),
        ({**BAD_PROXY, "HTTPS_PROXY": "quic://p"}, 0, ""),  # the services' checks fail by it
        ({"ALL_PROXY": "socks5h://me:c0rp-passw0rd@127.0.0.1:{free}"}, 1, "can't be reached"),
        ({"ALL_PROXY": "http://127.0.0.1:{free}", "HTTPS_PROXY": "http://p"}, 0, ""),
    ],
)
def test_unusable_all_proxy_is_one_warning(tmp_path, shell, warnings, words):
    shell = {name: value.replace("{free}", str(free_port())) for name, value in shell.items()}
    found = check_environment.look(doctor_context(tmp_path, **shell), proc=tmp_path)
    remarks = [*check_environment.judge(found)]
    assert severities(remarks).count("warning") == warnings
    assert words in said(remarks)
    assert "passw0rd" not in said(remarks)


def test_all_proxy_that_is_there_is_no_warning(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"socks5h://127.0.0.1:{listener.getsockname()[1]}"
        found = check_environment.look(doctor_context(tmp_path, ALL_PROXY=address), proc=tmp_path)
        assert "warning" not in severities(check_environment.judge(found))


def test_what_the_daemon_says_of_its_way_out_is_the_one_warning(tmp_path):
    status = msgspec.structs.replace(STATUS, warnings=("ALL_PROXY is ignored for now.",))
    here = doctor_context(tmp_path, status=status, **BAD_PROXY)
    remarks = [*check_environment.judge(check_environment.look(here, proc=tmp_path))]
    assert severities(remarks).count("warning") == 1
    assert "ALL_PROXY is ignored for now." in said(remarks)


def test_a_plan_that_will_not_last_is_no_fault_of_the_environment(tmp_path):
    text = "Z.ai's week is likely to be used up about Wed 15:00."
    short = ShortPlan(backend="zai", resets=datetime(2026, 11, 26, 21, tzinfo=UTC), text=text)
    status = msgspec.structs.replace(STATUS, warnings=(text,), short_plans=(short,))
    here = doctor_context(tmp_path, status=status)
    remarks = [*check_environment.judge(check_environment.look(here, proc=tmp_path))]
    assert "warning" not in severities(remarks)
    assert text not in said(remarks)


def state(**fields: Any) -> LoginItemState:
    return dataclasses.replace(STATE, **fields)


FAILING = dataclasses.replace(STATE, is_running=False, last_failure="last exit code 78")


def item(**fields: Any) -> LoginItemFacts:
    return dataclasses.replace(ITEM, **fields)


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (ITEM, ["ok"], "keeps the port open and runs"),
        (item(state=state(is_running=False)), ["ok"], "when it is needed"),
        (
            item(state=FAILING, is_answering=False, messages="tail x"),
            ["failure"],
            "fails (last exit code 78).\nTo see its messages: tail x",
        ),
        (
            item(state=dataclasses.replace(FAILING, is_running=True), is_answering=False),
            ["failure"],
            "offramp install",
        ),
        (item(state=dataclasses.replace(FAILING, is_running=True)), ["ok"], "and runs"),
        (item(state=None, why_none="None here.", hint="Serve."), ["note"], "None here."),
        (item(state=state(is_installed=False, files=())), ["note"], "offramp install"),
        (item(state=state(is_installed=False)), ["note"], "Some of its files"),
        (item(is_program_there=False), ["failure", "ok"], "offramp-daemon, which does not exist"),
        (item(state=state(program=None)), ["failure", "ok"], "an unknown program"),
        (item(version="0.0.1"), ["warning", "ok"], "Offramp 0.0.1"),
        (item(version=None), ["ok"], "pid 16"),
        (item(wanted_port=3002), ["warning", "ok"], "127.0.0.1:3001"),
        (item(state=state(is_enabled=False)), ["warning", "ok"], "does not start it at login"),
        (item(state=state(is_listening=False)), ["failure"], "offramp start"),
        (item(lingers=False), ["ok", "note"], "enable-linger"),
        (item(lingers=True), ["ok"], "keeps the port"),
        (item(state=state(limits="Start it after a restart.")), ["ok", "note"], "after a restart"),
    ],
)
def test_login_item_is_judged(found, expected, words):
    remarks = [*check_login_item.judge(found)]
    assert severities(remarks) == expected
    assert words in said(remarks)


@pytest.mark.parametrize(
    ("fields", "expected", "words"),
    [
        ({}, ["ok"], "4096"),
        ({"own_most_descriptors": None}, ["ok"], "unlimited"),
        ({"own_most_descriptors": 256}, ["warning"], "LimitNOFILE"),
        ({"daemon_descriptors": 512}, ["warning"], "The daemon's open-file limit is 512"),
        ({"daemon_descriptors": 65536}, ["ok"], "65536"),
        ({"now": datetime(1970, 1, 1, tzinfo=UTC)}, ["ok", "failure"], "1970-01-01"),
        ({"sudo_user": "me"}, ["ok", "note"], "without sudo"),
        ({"sudo_user": "root"}, ["ok"], "4096"),
        ({"zone_problem": "TZ=Nope is not a zone."}, ["ok", "warning"], "TZ=Nope is not a zone."),
    ],
)
def test_system_is_judged(fields, expected, words):
    found = System(
        **{
            "own_most_descriptors": 4096,
            "daemon_descriptors": None,
            "now": NOW,
            "sudo_user": None,
            **fields,
        }
    )
    remarks = [*check_system.judge(found)]
    assert severities(remarks) == expected
    assert words in said(remarks)


@pytest.mark.parametrize(("zone", "is_wrong"), [("Mars/Phobos", True), ("Europe/Berlin", False)])
def test_time_zone_that_is_not_known_is_found(tmp_path, zone, is_wrong):
    found = check_system.look(doctor_context(tmp_path, TZ=zone))
    assert (found.zone_problem is not None) == is_wrong


def test_limit_of_the_daemon_is_read_where_the_system_shows_it(tmp_path):
    process = tmp_path / "proc" / "17"
    process.mkdir(parents=True)
    (process / "limits").write_text(
        "Limit                     Soft Limit           Hard Limit           Units\n"
        "Max open files            777                  20000                files\n"
    )
    here = doctor_context(tmp_path, status=STATUS)
    assert check_system.look(here, proc=tmp_path / "proc").daemon_descriptors == 777
    assert check_system.look(here, proc=tmp_path).daemon_descriptors is None


def test_defaults_have_both_backends_in_use(tmp_path):
    here = doctor_context(tmp_path)
    assert [backend.name for backend in here.backends_in_use] == ["anthropic", "zai"]
    assert here.loaded is not None
    assert here.loaded.settings == loader.load(here.paths, {}).settings
