"""Every command on a page is run, in a home of its own, or is listed here with a reason why not."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import qt_presence
from daemon_process import OFFRAMP, environment, free_port
from pages import CHECKOUT, every_page
from shell_statements import Statement, problem_with, statements, words_for_offramp

from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZAI_KEY = "0123456789abcdef0123456789abcdef.demodemodemodemo"
"""What the demo takes, as docs/real-services.md says."""
_PATIENCE_S = 60.0
_OWN_TESTS = frozenset({"docs/real-services.md"})
"""Pages whose commands another test runs, with what they answer."""
_NOT_RUN = {
    r"make .*": "only read by make itself (make -n): what it starts has tests of its own",
    r"git .*": "needs a repository on another machine",
    r"(pipx|uv tool) .*": "downloads packages: make package-test",
    r"tar -xf offramp-VERSION-.*|sh offramp-VERSION-.*|OFFRAMP_BUNDLE=.*": "needs a built bundle: "
    "tests/packaging/test_bundle.py",
    r"cd .*": "moves into a checkout",
    r"(\.venv/bin/)?python3? benchmarks/.*|sudo .*": "takes minutes, or needs root",
    r"docker run .*|ip .* docker0": "needs Docker",
    r"systemctl .*": "needs a user's service manager",
    r"launchctl .*": "needs a Mac",
    r"offramp (install|uninstall|start|stop|restart)\b.*": "needs a service manager: tests/system",
    r"offramp backend (add|remove)\b.*": "asks the service itself: tests/cli",
    r"offramp .* ID\b.*": "ID stands for a session of yours",
    r"offramp (setup|tray|charts)( --demo)?( *#.*)?": "opens a window or an icon, and stays",
    r"offramp version --check": "ends with 1 until there is a release page: tests/cli/version",
}
_COMPLETION = r'^(?:autoload .* && )?(?:eval "\$\()?_OFFRAMP_COMPLETE=\w+ '
_SERVES = r"offramp (demo|serve)\b"
"""What runs until Ctrl-C."""
_PROGRAMS = frozenset({"offramp", ".venv/bin/offramp", "curl", "openssl", "chmod", "export", "for"})
"""What else may come first in a command: these are run."""
_MADE_OF = {"run": "serve", "demo": "demo", "install": "install", "uninstall": "uninstall"}
"""The targets of make whose ARGS are options of a command of Offramp."""

_ALL = [
    statement
    for page in every_page()
    if page.name not in _OWN_TESTS
    for statement in statements(page)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A user's folders in which a daemon and the demo run, and the ports they have."""

    folder: Path
    port: int
    demo_port: int
    environ: dict[str, str]

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run the text in the shell that it is written for, with the ports of this home."""
        text = text.replace("host.docker.internal:3001", f"localhost:{self.port}")
        text = text.replace(":3001", f":{self.port}").replace(":3101", f":{self.demo_port}")
        shell = _shell(text)
        if shell.endswith("zsh"):  # whose own files do this at each start
            text = f"autoload -Uz compinit; compinit -D; {text}"
        return subprocess.run(
            [shell, "-c", text],
            cwd=self.folder,
            env=self.environ,
            input=ZAI_KEY,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )


def _shell(text: str) -> str:
    wanted = next((name for name in ("bash", "zsh", "fish") if f"{name}_source" in text), "sh")
    if (found := shutil.which(wanted)) is None:
        pytest.skip(f"there is no {wanted} here")
    return found


@contextlib.contextmanager
def _serving(environ: dict[str, str], *arguments: str) -> Iterator[str]:
    """Run `offramp ARGUMENTS` while entered, and end it as Ctrl-C does; yields what it said."""
    with subprocess.Popen(
        [*OFFRAMP, *arguments],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "Claude Code:" in line:
                    break
            yield "".join(said)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0, "".join(said)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Run the demo, and a daemon that has the demo's services and history."""
    folder = tmp_path_factory.mktemp("home")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    offramp = programs / "offramp"
    offramp.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error -m offramp_cli "$@"\n')
    offramp.chmod(0o755)
    environ = environment(folder, PATH=f"{programs}:{os.environ['PATH']}")
    port, demo_port = free_port(), free_port()
    paths = Paths.under(folder)
    paths.config_dir.mkdir(parents=True, exist_ok=True)
    with _serving(environ, "demo", "--no-traffic", "--port", str(demo_port)) as said:
        shutil.copytree(Paths.under(folder / "demo").log_dir, paths.log_dir)
        claude, zai = re.findall(r"(?:Claude|Z\.ai): (http://127[^\s;]+)", said)
        paths.config_file.write_text(
            f'port = {port}\nanthropic_base_url = "{claude}"\nzai_base_url = "{zai}"\n'
        )
        served = Home(folder=folder, port=port, demo_port=demo_port, environ=environ)
        assert served.run("offramp key set --file --no-check").returncode == 0
        with _serving(environ, "serve"):
            yield served


def reason_not_to_run(statement: Statement) -> str | None:
    """Return why the command is not run here; None if it is."""
    reasons = (why for text, why in _NOT_RUN.items() if re.fullmatch(text, statement.text, re.S))
    return next(reasons, None)


def is_run(statement: Statement) -> bool:
    """Say whether a test below runs the command."""
    return reason_not_to_run(statement) is None


_STARTED = [each for each in _ALL if re.match(_SERVES, each.text)]
_RUN = {each.text: each for each in _ALL if is_run(each) and each not in _STARTED}
"""Each command once, however many pages have it."""


@pytest.mark.parametrize("statement", _ALL, ids=str)
def test_command_on_a_page_is_known(statement: Statement) -> None:
    first = re.split(r"[\s)]", re.sub(_COMPLETION, "", statement.text))[0]
    assert reason_not_to_run(statement) or first in _PROGRAMS
    words = words_for_offramp(statement.text)
    assert [problem for each in words if (problem := problem_with(each))] == []


@pytest.mark.timeout(10 * _PATIENCE_S)
def test_commands_on_the_pages_succeed_in_their_order(
    home: Home, subtests: pytest.Subtests
) -> None:
    """Run them in one test: what one command sets or deletes, the next ones find."""
    for statement in _RUN.values():
        with subtests.test(str(statement)):
            if "charts" in statement.text and qt_presence.PROBLEM is not None:
                pytest.skip(qt_presence.PROBLEM)
            program = statement.text.split()[0]
            if program in {"curl", "openssl"} and not shutil.which(program):
                pytest.skip(f"there is no {program} here")
            ran = home.run(statement.text)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert "Traceback" not in ran.stderr


@pytest.fixture(scope="module")
def other_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home for what is started on its own; its sample history is written once."""
    return tmp_path_factory.mktemp("other-home")


@pytest.mark.parametrize("statement", _STARTED, ids=str)
def test_command_that_serves_ends_at_ctrl_c(statement: Statement, other_home: Path) -> None:
    (words,) = words_for_offramp(statement.text)
    with _serving(environment(other_home), *words, "--port", str(free_port())) as said:
        assert "Traceback" not in said


@pytest.mark.parametrize(
    "statement", [each for each in _ALL if "make " in each.text.partition("#")[0]], ids=str
)
def test_target_on_a_page_is_known_to_make(statement: Statement) -> None:
    for target, arguments in re.findall(
        r"make ([\w-]+)(?: ARGS=(\"[^\"]*\"|\S+))?", statement.text.partition("#")[0]
    ):
        read = subprocess.run(
            ["make", "-n", target], cwd=CHECKOUT, capture_output=True, check=False, text=True
        )
        assert read.returncode == 0, read.stderr
        if arguments and target in _MADE_OF:
            (words,) = words_for_offramp(f"offramp {_MADE_OF[target]} {arguments.strip(chr(34))}")
            assert problem_with(words) is None
