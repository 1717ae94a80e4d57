"""`offramp statusline` as Claude Code runs it: it never hangs, never fails, and is soon done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE

import pytest
from daemon_process import OFFRAMP, Ending, daemon_process, environment, run_command
from patience import PATIENCE_S

from offramp_cli import own_name, statusline
from offramp_core.control import api
from offramp_core.paths import Paths

NOT_RUNNING = "Offramp: the daemon is not running (offramp start)\n"


async def statusline_of(home, said: bytes = b"{}", *arguments: str, **variables: str) -> Ending:
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP,
        "statusline",
        *arguments,
        env=environment(home, **variables),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate(said)
    assert process.returncode is not None
    return Ending(process.returncode, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def answering(home, answer: bytes | None):
    """A control socket that says this to all who ask; nothing, for ever, if None."""
    path = Paths.under(home).control_socket
    path.parent.mkdir(parents=True, mode=0o700)
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield asked


async def test_without_a_daemon_it_says_so_and_ends_well(tmp_path):
    assert await statusline_of(tmp_path) == Ending(0, NOT_RUNNING, "")


async def test_without_a_demo_it_names_the_demo(tmp_path):
    said = NOT_RUNNING.replace("start", "demo")
    assert await statusline_of(tmp_path, b"{}", "--demo") == Ending(0, said, "")


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (54, "Offramp: the daemon is not running (offramp start)"),
        (53, "Offramp: the daemon is not running"),
        (38, "Offramp: the daemon is not running"),
        (37, "Offramp: the daemon is not runni…"),
        (24, "Offramp: the daemon…"),
        (5, "…"),
    ],
)
async def test_own_words_fit_a_narrow_screen(tmp_path, columns, line):
    ending = await statusline_of(tmp_path, COLUMNS=str(columns))
    assert ending.out == f"{line}\n"


async def test_line_of_the_daemon_is_printed_as_it_comes(tmp_path):
    said = "\x1b[33m" + "x" * 60 + "\x1b[39m"
    async with answering(tmp_path, b"HTTP/1.0 200 OK\r\n\r\n" + said.encode()):
        ending = await statusline_of(tmp_path, COLUMNS="40")
    assert ending.out == f"{said}\n"


@pytest.mark.parametrize("folder", ["bin", "my tools", "it's"])
@pytest.mark.parametrize("on_path", [True, False])
async def test_advice_names_the_program_as_other_hints_do(tmp_path, monkeypatch, folder, on_path):
    program = tmp_path / folder / "offramp"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport offramp_cli\nofframp_cli.main()\n")
    program.chmod(0o755)
    path = f"{tmp_path / 'none'}:{program.parent if on_path else '/usr/bin'}"
    monkeypatch.setenv("PATH", path)
    process = await asyncio.create_subprocess_exec(
        program, "statusline", env=environment(tmp_path), stdin=DEVNULL, stdout=PIPE
    )
    out, _ = await process.communicate()
    name = own_name.as_typed([str(program)])
    assert (name == "offramp") == on_path
    assert out.decode() == NOT_RUNNING.replace("offramp start", f"{name} start")


async def test_dead_daemons_socket_is_no_daemon(tmp_path):
    path = Paths.under(tmp_path).control_socket
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(os.fspath(path))
    assert await statusline_of(tmp_path) == Ending(0, NOT_RUNNING, "")


async def test_running_daemon_says_its_line(tmp_path):
    async with daemon_process(tmp_path, is_demo=True):
        said = json.dumps({"session_id": "none"}).encode()
        ending = await statusline_of(tmp_path, said, "--demo", NO_COLOR="1")
    assert ending.code == 0
    assert ending.err == ""
    assert ending.out.startswith("Offramp: delegation on")
    assert ending.out.count("\n") == 1
    assert "\x1b" not in ending.out


@pytest.mark.parametrize(
    "answer",
    [
        *(None, b"", b"nonsense", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 500 Oh\r\n\r\nTraceback"),
        b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe",
    ],
)
async def test_daemon_without_an_answer_is_said_in_one_line(tmp_path, answer):
    async with answering(tmp_path, answer):
        ending = await statusline_of(tmp_path)
    assert ending == Ending(0, "Offramp: the daemon does not answer (offramp doctor)\n", "")


async def test_older_daemon_is_named_as_such(tmp_path):
    async with answering(tmp_path, b"HTTP/1.0 404 Not Found\r\n\r\n{}"):
        ending = await statusline_of(tmp_path)
    assert ending == Ending(
        0, "Offramp: the daemon is older than this program (offramp restart)\n", ""
    )


async def test_input_that_never_ends_is_not_waited_for(tmp_path):
    process = await asyncio.create_subprocess_exec(
        *OFFRAMP, "statusline", env=environment(tmp_path), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"session_id":')
    async with asyncio.timeout(PATIENCE_S):
        out = await process.stdout.read()
        code = await process.wait()
    process.stdin.close()
    assert (code, out.decode()) == (0, NOT_RUNNING)


@pytest.mark.parametrize(
    "redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "| true", "</dev/null"]
)
async def test_odd_streams_are_no_failure(tmp_path, redirection):
    words = " ".join(f"'{word}'" for word in (*OFFRAMP, "statusline"))
    process = await asyncio.create_subprocess_shell(
        f"{words} {redirection}", env=environment(tmp_path), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(
    ("variables", "query"),
    [
        ({"COLUMNS": "72"}, b"?columns=68&colour=1"),
        ({"COLUMNS": "72", "NO_COLOR": "1"}, b"?columns=68&colour=0"),
        ({"COLUMNS": "72", "NO_COLOR": ""}, b"?columns=68&colour=1"),
        ({"COLUMNS": "72", "TERM": "dumb"}, b"?columns=68&colour=0"),
        ({"COLUMNS": "2"}, b"?columns=1&colour=1"),
        ({"COLUMNS": "0"}, b"?columns=0&colour=1"),
        ({"COLUMNS": "wide"}, b"?columns=0&colour=1"),
        ({"COLUMNS": "-3"}, b"?columns=0&colour=1"),
        ({"COLUMNS": "99999999"}, b"?columns=0&colour=1"),
        ({}, b"?columns=0&colour=1"),
    ],
)
async def test_daemon_hears_of_the_screen(tmp_path, variables, query):
    async with answering(tmp_path, b"HTTP/1.0 200 OK\r\n\r\nhello") as asked:
        ending = await statusline_of(tmp_path, **variables)
    assert ending == Ending(0, "hello\n", "")
    assert asked[0].split()[:2] == [b"POST", b"/status-line" + query]


async def test_it_loads_next_to_nothing(tmp_path):
    ending = await statusline_of(tmp_path, PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in ending.err.splitlines()}
    assert "offramp_cli.statusline" in loaded
    slow = {"click", "json", "re", "typing", "pathlib", "dataclasses", "msgspec", "asyncio", "http"}
    # What Python itself loads where it starts (for editable installs, say) is not ours.
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "importtime", "-c", "pass", stderr=PIPE, env=environment(tmp_path)
    )
    _, err = await bare.communicate()
    always = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert not (loaded - always) & slow


async def test_help_says_what_it_is_for(tmp_path):
    ending = await run_command(tmp_path, "statusline", "--help")
    assert ending.code == 0
    assert "connect --statusline" in ending.out


def test_both_sides_speak_of_one_route():
    assert statusline.ROUTE == api.STATUS_LINE


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_socket_of_another_user_is_not_spoken_to(tmp_path):
    async with answering(tmp_path, b"HTTP/1.0 200 OK\r\n\r\nhello") as asked:
        os.chown(Paths.under(tmp_path).control_socket, 12345, -1)
        ending = await statusline_of(tmp_path)
    assert ending == Ending(0, "Offramp: the daemon belongs to another user\n", "")
    assert not asked
