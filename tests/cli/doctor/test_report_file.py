"""The doctor's report: all that helps in one file, and nothing secret, wherever it was planted."""

from __future__ import annotations

import base64
import errno
import json
import os
import resource
import signal
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from doctor_harness import doctor_context

from offramp_cli.doctor import report_file, report_secrets
from offramp_cli.doctor.finding import Finding, failure, ok
from offramp_core import __version__
from offramp_core.errors import OfframpError
from offramp_core.login_item.runner import Ran

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from offramp_cli.doctor.context import DoctorContext

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

ODD = "Tr0ub4dor & drei"
"""A credential without any known shape, and with blanks in it."""
SECRETS = {
    "zai": "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K",
    "claude": "sk-ant-oat01-planted-in-the-login-file",
    "refresh": "rt-planted-refresh-0001",
    "client token": "planted-client-token-of-36-characters",
    "proxy password": "c0rp-passw0rd",
    "proxy user": "j.doe-at-corp",
    "quoted": "p@ss/w0rd#1",
    "headers": "planted-header-value-77",
    "odd": ODD,
    "backend": "tripleQuotedKey0fCorp",
    "env file": "value, with = signs and a comma",
    "broken": "planted-in-a-broken-file",
    "launchd": "planted-with-launchctl-setenv",
    "mail": "jane.doe@corp.example",
    "long": "planted\nover two lines",
    "short password": "hvn7",
    "short key": "kk77",
}
ARGUMENTS = ("planted-behind-an-argument", "dave:planted-behind-u")


def plant(home: Path) -> None:
    """Put a secret into each file that the report, or what it quotes, comes from."""
    config = home / "config"
    config.mkdir()
    (config / "config.toml").write_text(
        f'port = 3055\nclient_token = "{SECRETS["client token"]}"\n'
        f'[backend.corp]\nbase_url = "https://corp.example"\nauth = "x-api-key"\n'
        f'key = """{SECRETS["backend"]}"""\n'
        f'[backend.lab]\nbase_url = "https://lab.example"\nkey = "{SECRETS["short key"]}"\n'
    )
    (config / ".env").write_text(
        f"ZAI_API_KEY={SECRETS['zai']}\nDB_PASSWORD='{ODD}'\n"
        f"export MY_SECRET={SECRETS['env file']} # a comment\n"
        f"https_proxy=http://{SECRETS['proxy user']}:{SECRETS['proxy password']}@p.example:8080\n"
    )
    (config / "keys.json").write_text(f'{{"version":1,"keys":{{"x":{{"key":"{SECRETS["broken"]}"')
    claude = home / ".claude"
    claude.mkdir()
    oauth = {"accessToken": SECRETS["claude"], "refreshToken": SECRETS["refresh"]}
    (claude / ".credentials.json").write_text(json.dumps({"claudeAiOauth": oauth}))
    headers = f"X-A: {SECRETS['headers']}\nX-B: b"
    (claude / "settings.json").write_text(
        json.dumps({"env": {"ANTHROPIC_CUSTOM_HEADERS": headers}})
    )


VARIABLES = {
    "ALL_PROXY": "socks5://me:p%40ss%2Fw0rd%231@127.0.0.1:9",
    "DEPLOY_PASSWORD": SECRETS["long"],
    "PG_PASS": SECRETS["short password"],
    "ASK_PASSWORD": "true",
}


def spellings(secret: str) -> list[str]:
    return [secret, json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()]


def assert_is_clean(text: str) -> None:
    for what, secret in SECRETS.items():
        for spelling in spellings(secret):
            assert spelling not in text, what
    assert not any(argument in text for argument in ARGUMENTS)
    assert "p%40ss" not in text
    assert "w0rd" not in text


def everything(home: Path) -> str:
    """A text with all secrets but launchd's in it, as a log or another program may quote them."""
    quoted = [secret for what, secret in SECRETS.items() if what != "launchd"]
    login = f"{SECRETS['proxy user']}:{SECRETS['proxy password']}"
    basic = base64.b64encode(login.encode()).decode()
    return "\n".join(
        [
            *quoted,
            *(json.dumps({"said": secret}) for secret in quoted),
            f"http://{login}@p.example:8080 and {login}@p.example and {VARIABLES['ALL_PROXY']}",
            f"Proxy login {basic}",
            f"1 offramp --token {ARGUMENTS[0]} -api-key  {ARGUMENTS[0]} -u {ARGUMENTS[1]} --true",
            f"{home}/config/config.toml and {home}2/other",
        ]
    )


class Manager:
    """A service manager whose words hold everything; it keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, command: Sequence[str], *, timeout_s: float = 20.0) -> Ran:
        assert timeout_s < 10
        self.asked.append(tuple(command))
        return Ran(0, self._text, "some error\n")


LAUNCHCTL = f"""gui/501/local.offramp.daemon = {{
\tstate = running
\tinherited environment = {{
\t\tSSH_AUTH_SOCK => /private/tmp/com.apple.launchd.x/Listeners
\t\tMY_OWN => {SECRETS["launchd"]}
\t\tMY_LINES => first
{SECRETS["launchd"]} second line
\t\tMY_JSON => {{
  "url": "{SECRETS["launchd"]}"
}}
  {SECRETS["launchd"]}
\t\tMY_TABS => {{
\t}}
\t\tMY_LAST => {SECRETS["launchd"]}
\t\tmy.odd-name => {SECRETS["launchd"]}
\t}}
\tdefault environment = {{
\t\tPATH => /usr/bin:/bin
\t}}
\tlast exit code = 78: EX_CONFIG
}}
\t"com.example.private" => disabled
\t"local.offramp.tray" => disabled
"""


def context_of(home: Path, platform: str) -> DoctorContext:
    return doctor_context(home, platform=platform, **VARIABLES)


def text_of(context: DoctorContext, manager: Manager, *findings: Finding) -> str:
    redactor = report_secrets.redactor_for(context)
    return report_file.report_for(context, findings, redactor, manager).text(NOW)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    plant(folder)
    return folder


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_no_secret_of_any_source_is_in_the_report(home: Path, platform: str) -> None:
    logs = home / "diagnostics"
    logs.mkdir()
    for name in ("daemon.log", "launchd.log", "tray.log"):
        (logs / name).write_text(everything(home) + "\n")
    findings = (
        Finding(
            name="a", group="G", remarks=(failure(everything(home), SECRETS["env file"] * 30),)
        ),
        Finding(name="b", group="G", remarks=(ok(f"{'word ' * 20}{ODD} {'word ' * 9}{ODD}"),)),
    )
    text = text_of(context_of(home, platform), Manager(everything(home) + LAUNCHCTL), *findings)
    assert_is_clean(text)
    assert str(home) + "/" not in text
    assert f"{home}2/other" in text
    for part in (
        "~/diagnostics/daemon.log",
        "launchd.log",
        "tray.log",
        "G\n",
        "MY_LINES",
        "--true",
    ):
        assert part in text


def test_settings_that_are_refused_are_said_without_their_values(home: Path) -> None:
    with (home / "config" / "config.toml").open("a") as file:
        file.write(f'api_key = "{SECRETS["broken"]}"\nkey = "{SECRETS["headers"]}')
    context = context_of(home, "linux")
    assert context.problem is not None
    text = text_of(context, Manager(everything(home)))
    assert "config.toml" in text
    assert_is_clean(text)


def test_what_helps_is_in_the_report(home: Path) -> None:
    context = context_of(home, "linux")
    assert context.problem is None
    manager = Manager("active (running)\n")
    text = text_of(context, manager, Finding(name="port", group="Daemon", remarks=(ok("Good."),)))
    for part in (
        f"Offramp  {__version__}",
        "port = 3055  (file)",
        "client_token = ***  (file)",
        "backend.corp.key = ***  (file)",
        "ok       port  Good.",
        "ALL_PROXY ASK_PASSWORD DEPLOY_PASSWORD",
        "active (running)\nsome error",
    ):
        assert part in text
    assert [command[:2] for command in manager.asked] == [
        ("systemctl", "--user"),
        ("journalctl", "--user"),
    ]


def test_launchds_words_are_in_the_report_without_the_values_of_variables(home: Path) -> None:
    manager = Manager(LAUNCHCTL)
    text = text_of(context_of(home, "darwin"), manager)
    uid = os.getuid()
    assert [command[1:] for command in manager.asked] == [
        ("print", f"gui/{uid}/local.offramp.daemon"),
        ("print", f"gui/{uid}/local.offramp.tray"),
        ("print", f"user/{uid}/local.offramp.daemon"),
        ("print-disabled", f"user/{uid}"),
    ]
    assert "last exit code = 78: EX_CONFIG" in text
    assert "MY_OWN => ***" in text
    assert "PATH => /usr/bin:/bin" in text
    assert "second line" not in text
    _, _, disabled = text.partition("$ launchctl print-disabled")
    assert '"local.offramp.tray" => disabled' in disabled
    assert "com.example.private" not in disabled


def test_only_whole_lines_of_the_end_of_a_long_log_are_in_the_report(home: Path) -> None:
    logs = home / "diagnostics"
    logs.mkdir()
    one_line = "x" * 40_000 + SECRETS["zai"]
    (logs / "daemon.log").write_text(f"{one_line}{'y' * 65_500}\n" + "the last line\x1b[2J\n")
    text = text_of(context_of(home, "linux"), Manager(""))
    assert "the last line?[2J" in text
    assert "yyyy" not in text
    (logs / "daemon.log").write_text("".join(f"line {number}\n" for number in range(1000)))
    text = text_of(context_of(home, "linux"), Manager(""))
    assert "line 999\n" in text
    assert "line 500\n" not in text


def test_section_that_can_not_be_read_does_not_cost_the_others(home: Path) -> None:
    def fail(_command: Sequence[str], *, timeout_s: float = 0) -> Ran:
        raise RuntimeError(f"no fork within {timeout_s:g} s, {SECRETS['proxy password']}")

    context = context_of(home, "linux")
    redactor = report_secrets.redactor_for(context)
    text = report_file.report_for(context, (), redactor, fail).text(NOW)
    assert "could not be read (RuntimeError" in text
    assert "port = 3055" in text
    assert_is_clean(text)


def write(home: Path, wanted: Path | None) -> Path:
    context = context_of(home, "linux")
    redactor = report_secrets.redactor_for(context)
    report = report_file.report_for(context, (), redactor, Manager(""))
    return report_file.create(report, wanted, NOW)


def test_report_is_a_new_private_file_each_time(home: Path, tmp_path: Path) -> None:
    first, second = write(home, None), write(home, None)
    assert (first, second) == (home / "offramp-report.txt", home / "offramp-report-2.txt")
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert all("port = 3055" in file.read_text() for file in (first, second))
    assert write(home, tmp_path) == tmp_path / "offramp-report.txt"


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_is_there_is_never_overwritten(home: Path, tmp_path: Path, kind: str) -> None:
    wanted, other = tmp_path / "mine.txt", tmp_path / "other"
    if kind != "dangling link":
        other.write_text("mine")
    if kind == "file":
        wanted.write_text("mine")
    else:
        wanted.symlink_to(other)
    assert write(home, wanted) == tmp_path / "mine-2.txt"
    assert not other.exists() or other.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["none/report.txt", f"{'n' * 300}.txt", "file/report.txt", "loop/report.txt"]
)
def test_place_that_no_file_can_be_at_is_said(home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OfframpError, match="can't be written") as caught:
        write(home, tmp_path / name)
    assert "--report FILE" in caught.value.hint


def test_folder_that_this_user_may_not_enter_is_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    # Root may enter every folder.
    monkeypatch.setattr(type(tmp_path), "is_dir", refuse)
    with pytest.raises(OfframpError, match="can't be written"):
        write(home, tmp_path / "report.txt")


def test_nothing_is_left_of_a_report_for_which_the_disk_has_no_room(
    home: Path, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        with pytest.raises(OfframpError, match="can't be written"):
            write(home, tmp_path / "report.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not (tmp_path / "report.txt").exists()


def test_place_that_can_not_be_written_to_is_said(home: Path, tmp_path: Path) -> None:
    with pytest.raises(OfframpError, match="can't be written") as caught:
        write(home, tmp_path / "none" / "report.txt")
    assert "--report FILE" in caught.value.hint
    assert os.listdir(tmp_path) == ["home"]  # noqa: PTH208 - only the names
