"""`offramp-daemon` and its workers as real processes: hand-over, crash, hang, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter

import pytest
from daemon_process import OFFRAMP, SOURCES, environment, run_command, write_config
from patience import PATIENCE_S
from raw_client import OPUS, SONNET, connected, get, post, read_to_end
from raw_upstream import (
    DELTA,
    END,
    MESSAGE,
    START,
    Stream,
    answer_message,
    endless,
    raw_upstream,
)
from stream_load import StreamLoad
from supervised import (
    SUPERVISOR,
    children_of,
    descriptors_of,
    has_proc,
    supervised,
    with_limits,
)

from offramp_core.control.client import ControlError

needs_proc = pytest.mark.skipif(not has_proc(), reason="looks processes up in Linux's /proc")


async def serving_pid(url: str) -> int:
    came = await read_to_end(url, get(b"/health"))
    assert b"200 OK" in came
    pid = json.loads(came.partition(b"\r\n\r\n")[2])["pid"]
    assert isinstance(pid, int)
    return pid


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while is_there(pid):  # noqa: ASYNC110 - the end of another process's child is told to nobody
            await asyncio.sleep(0.02)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_restarts_under_load_fail_nothing_and_keep_nobody_waiting(tmp_path, sim):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    async with supervised(tmp_path) as running:
        load = StreamLoad(running.url, lanes=8, stream_s=0.8)
        pids = [(await running.commands.status()).pid]
        async with load.running(long_stream_s=6.0):
            for _ in range(5):
                await load.until_streams(4)
                await running.commands.restart()
                pids.append((await running.until_serving(other_than=pids[-1])).pid)
        assert load.failures == []
        assert load.latest_first_byte_s < 10
        assert len(set(pids)) == 6
        assert await running.stop() == 0
    assert Counter(record.status for record in running.records) == {"success": len(load.outcomes)}
    served = [entry for entry in sim.requests if entry.method == "POST"]
    assert len(served) == len(load.outcomes)
    # What is used of its plan Z.ai is asked once, however many daemons serve meanwhile.
    assert len(sim.requests) - len(served) <= 1
    assert "Traceback" not in running.said
    assert "Another Offramp" not in running.said


async def test_sighup_has_a_new_worker_serve_while_the_old_one_streams_on(tmp_path):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top="drain_timeout_s = 0.1")
        async with supervised(tmp_path) as running:
            before = await running.commands.status()
            assert before.supervisor_pid == running.process.pid
            async with connected(running.url) as (reader, writer):
                writer.write(post(b"/v1/messages", OPUS, b""))
                await reader.readuntil(START)
                running.send(signal.SIGHUP)
                after = await running.until_serving(other_than=before.pid)
                assert await serving_pid(running.url) == after.pid
                assert after.supervisor_pid == running.process.pid
                stream.go_on.set()  # which no time limit has ended meanwhile
                await reader.readuntil(END)
                assert is_there(before.pid)  # for the connection, which may be used again
            await until_gone(before.pid)
            assert await running.stop() == 0
    assert [record.status for record in running.records] == ["success"]


async def test_leaving_worker_answers_once_more_on_a_kept_connection_and_by_todays_state(tmp_path):
    """A pause that came after the hand-over holds for it too."""
    async with raw_upstream(answer_message) as anthropic, raw_upstream(answer_message) as zai:
        write_config(tmp_path, anthropic.url, zai.url)
        async with supervised(tmp_path) as running, connected(running.url) as (reader, writer):
            first = await running.commands.status()
            writer.write(post(b"/v1/messages", SONNET, b""))
            await reader.readuntil(MESSAGE)
            await running.commands.restart()
            await running.commands.pause()
            writer.write(post(b"/v1/messages", SONNET, b""))
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read()  # to the connection's end
            assert b"200 OK" in answer
            assert b"connection: close" in answer.lower()
            assert answer.endswith(MESSAGE)
            await until_gone(first.pid)
            assert (len(zai.bodies), len(anthropic.bodies)) == (1, 1)
            assert (await running.commands.status()).pause is not None
            assert await running.stop() == 0


async def test_commands_never_fall_between_two_workers(tmp_path):
    write_config(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9")
    async with supervised(tmp_path) as running:
        is_over = asyncio.Event()

        async def command() -> int:
            count = 0
            while not is_over.is_set():
                assert (await running.commands.pause()).status.pause is not None
                assert (await running.commands.resume()).status.pause is None
                count += 1
            return count

        async with asyncio.TaskGroup() as group:
            commanding = group.create_task(command())
            for _ in range(3):
                await running.commands.restart()
            is_over.set()
        assert await commanding > 3
        assert await running.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_worker_that_crashed_is_replaced_while_connections_wait(tmp_path, number):
    async with supervised(tmp_path) as running:
        for _ in range(2):
            before = await serving_pid(running.url)
            os.kill(before, number)
            assert await serving_pid(running.url) != before
        assert f"was ended by {number.name}" in running.said
        assert await running.stop() == 0


async def test_worker_that_hangs_is_replaced(tmp_path):
    command = with_limits(hang_s=1.0, kill_s=0.2, nap_s=0.2)
    async with supervised(tmp_path, command=command) as running:
        before = await serving_pid(running.url)
        os.kill(before, signal.SIGSTOP)
        assert await serving_pid(running.url) != before
        await running.until_said("hangs")
        await until_gone(before)
        assert await running.stop() == 0


class Installed:
    """Versions of the program in folders of their own, and the link that says which is current.

    The daemon of version N says `supervisor N` when it begins. What its workers do first is the
    test's, a line of shell.
    """

    def __init__(self, root) -> None:
        self._root = root
        self.daemon = root / "current" / "offramp-daemon"

    def add(self, version: int, *, worker: str = "", has_daemon: bool = True) -> None:
        folder = self._root / f"v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        code = (
            f'import sys; sys.argv = ["{self.daemon}"]; '
            f"from offramp_daemon.supervisor import supervisor; "
            f'print("supervisor {version}", file=sys.stderr); supervisor.main()'
        )
        if has_daemon:
            self._write(folder / "offramp-daemon", f"exec {sys.executable} -c '{code}'")
        self._write(folder / "offramp", f'{worker}\nexec {" ".join(OFFRAMP)} "$@"')

    def use(self, version: int) -> None:
        link = self._root / "new"
        link.symlink_to(f"v{version}")
        link.replace(self._root / "current")

    @staticmethod
    def _write(file, text: str) -> None:
        file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        file.chmod(0o755)


@pytest.fixture
def installed(tmp_path) -> Installed:
    made = Installed(tmp_path / "app")
    made.add(1)
    made.use(1)
    return made


async def test_upgrade_renews_workers_and_the_supervisor_in_place(tmp_path, installed, client):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with supervised(tmp_path, command=[str(installed.daemon)]) as running:
            async with client.post(running.url + "/v1/messages", data=OPUS) as answered:
                assert await answered.content.readany() == START
                installed.add(2, worker="echo worker 2 >&2")
                installed.use(2)
                first = await running.commands.restart()
                await running.until_said("worker 2\n")
                await running.until_said("supervisor 2")
                await running.until_said("Renewed")
                second = await running.until_serving(other_than=first.status.pid)
                assert second.supervisor_pid == running.process.pid
                third = await running.commands.restart()  # the new code has its workers in hand
                await running.until_serving(other_than=third.status.pid)
                assert running.said.count("supervisor 2") == 1
                stream.go_on.set()
                assert await answered.content.read() == END
            assert await running.stop() == 0
    assert [record.status for record in running.records] == ["success"]
    assert "Traceback" not in running.said


async def test_supervisor_that_cannot_be_renewed_says_so_and_goes_on(tmp_path, installed):
    async with supervised(tmp_path, command=[str(installed.daemon)]) as running:
        before = await running.commands.status()
        installed.add(2, has_daemon=False)
        installed.use(2)
        await running.commands.restart()
        await running.until_said("could not be renewed")
        after = await running.until_serving(other_than=before.pid)
        os.kill(after.pid, signal.SIGKILL)
        await running.until_serving(other_than=after.pid)
        assert await running.stop() == 0


async def test_successor_that_cannot_start_leaves_the_old_worker_in_place(tmp_path, installed):
    async with supervised(tmp_path, command=[str(installed.daemon)]) as running:
        before = await running.commands.status()
        installed.add(2, worker="exit 3")
        installed.use(2)
        with pytest.raises(ControlError, match="exit code 3") as caught:
            await running.commands.restart()
        assert "not restarted" in caught.value.title
        assert (await running.commands.status()).pid == before.pid
        running.send(signal.SIGHUP)
        await running.until_said("stays", times=2)
        assert await serving_pid(running.url) == before.pid
        installed.add(2)
        await running.commands.restart()
        await running.until_serving(other_than=before.pid)
        assert await running.stop() == 0


@pytest.fixture
def elsewhere(tmp_path) -> Installed:
    """Another installation, in the folder of another way to install."""
    made = Installed(tmp_path / "other app")
    made.add(2, worker="echo worker 2 >&2")
    made.use(2)
    return made


async def test_daemon_goes_on_as_the_program_of_another_installation(
    tmp_path, installed, elsewhere, client
):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with supervised(tmp_path, command=[str(installed.daemon)]) as running:
            async with client.post(running.url + "/v1/messages", data=OPUS) as answered:
                assert await answered.content.readany() == START
                first = await running.commands.restart(str(elsewhere.daemon))
                await running.until_said("Renewed")
                second = await running.until_serving(other_than=first.status.pid)
                assert second.supervisor_pid == running.process.pid
                os.kill(second.pid, signal.SIGKILL)  # the next one is of the other program too
                await running.until_said("worker 2\n", times=2)
                await running.until_serving(other_than=second.pid)
                stream.go_on.set()
                assert await answered.content.read() == END
            assert await running.stop() == 0
    assert [record.status for record in running.records] == ["success"]
    assert "supervisor 2" in running.said
    assert "Traceback" not in running.said


async def test_other_program_that_cannot_serve_is_not_tried_again(tmp_path, installed, elsewhere):
    async with supervised(tmp_path, command=[str(installed.daemon)]) as running:
        before = await running.commands.status()
        elsewhere.add(3, worker="echo worker 3 >&2; exit 3")
        elsewhere.use(3)
        with pytest.raises(ControlError, match="exit code 3"):
            await running.commands.restart(str(elsewhere.daemon))
        os.kill(before.pid, signal.SIGKILL)
        after = await running.until_serving(other_than=before.pid)
        await running.commands.restart()
        await running.until_serving(other_than=after.pid)
        assert await running.stop() == 0
    assert running.said.count("worker 3\n") == 1  # and not one whose pid begins so
    assert "supervisor 3" not in running.said


@pytest.mark.parametrize("named", ["offramp-daemon", "/nowhere/offramp-daemon", "/bin/sh", "1"])
async def test_what_is_no_program_of_ours_is_not_gone_on_as(tmp_path, installed, named):
    async with supervised(tmp_path, command=[str(installed.daemon)]) as running:
        before = await running.commands.restart(named)
        after = await running.until_serving(other_than=before.status.pid)
        assert after.supervisor_pid == running.process.pid
        assert await running.stop() == 0


async def test_crash_loop_is_waited_out_and_connections_with_it(tmp_path, installed):
    cure = tmp_path / "cure"
    installed.add(2, worker=f'test -e "{cure}" || exit 9')
    installed.use(2)
    command = [str(installed.daemon)]
    async with (
        supervised(tmp_path, command=command, is_awaited=False) as running,
        asyncio.TaskGroup() as group,
    ):
        waiting = group.create_task(serving_pid(running.url))
        await running.until_said("exit code 9", times=4)
        assert "Next try in 0.0 s" in running.said
        assert "Next try in 0.8 s" in running.said
        assert not waiting.done()
        cure.touch()
        assert await waiting > 0
        assert await running.stop() == 0


async def test_stop_with_nothing_in_flight_is_prompt(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url, top="drain_timeout_s = 300")
    async with supervised(tmp_path) as running:
        async with client.get(running.url + "/v1/models") as answered:
            await answered.read()  # its connection stays open
        status = await running.commands.status()
        assert await running.stop() == 0
        assert not is_there(status.pid)
        assert not running.paths.control_socket.exists()
    assert "Traceback" not in running.said
    assert "Error" not in running.said


async def test_stop_lets_a_stream_end_and_leaves_new_connections_in_the_queue(tmp_path, client):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with (
            supervised(tmp_path) as running,
            client.post(running.url + "/v1/messages", data=OPUS) as answered,
        ):
            assert await answered.content.readany() == START
            running.send(signal.SIGTERM)
            await running.until_said("1 request in flight")
            async with connected(running.url):  # refused by nobody: the socket is not ours
                stream.go_on.set()
                assert await answered.content.read() == END
                assert await running.exit_code() == 0
    assert [record.status for record in running.records] == ["success"]


async def test_stream_longer_than_the_drain_is_broken_off_and_recorded(tmp_path):
    async with raw_upstream(endless) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top="drain_timeout_s = 0.2")
        async with (
            supervised(tmp_path) as running,
            connected(running.url) as (reader, writer),
        ):
            writer.write(post(b"/v1/messages", OPUS))
            await reader.readuntil(DELTA)
            assert await running.stop() == 0
            with contextlib.suppress(ConnectionError):
                assert not (await reader.read()).endswith(b"0\r\n\r\n")
    (record,) = running.records
    assert (record.status, record.reason) == ("error", "daemon stopped")


async def test_second_signal_ends_streams_of_leaving_workers_at_once(tmp_path):
    async with raw_upstream(endless) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top="drain_timeout_s = 300")
        async with (
            supervised(tmp_path) as running,
            connected(running.url) as (reader, writer),
        ):
            writer.write(post(b"/v1/messages", OPUS))
            await reader.readuntil(DELTA)
            await running.commands.restart()
            running.send(signal.SIGTERM)
            await running.until_said("Stopping; 1 request")
            assert await running.stop() == 0
    (record,) = running.records
    assert (record.status, record.reason) == ("error", "daemon stopped")


async def test_worker_that_lost_its_supervisor_ends_as_if_told_to(tmp_path, client):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with supervised(tmp_path) as running:
            status = await running.commands.status()
            async with client.post(running.url + "/v1/messages", data=OPUS) as answered:
                assert await answered.content.readany() == START
                running.send(signal.SIGKILL)
                await running.until_said("1 request in flight")
                stream.go_on.set()
                assert await answered.content.read() == END
            await until_gone(status.pid)
    assert [record.status for record in running.records] == ["success"]


async def test_worker_that_somebody_stops_is_replaced_while_it_drains(tmp_path):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with (
            supervised(tmp_path) as running,
            connected(running.url) as (reader, writer),
        ):
            writer.write(post(b"/v1/messages", OPUS))
            await reader.readuntil(START)
            before = await running.commands.status()
            await running.commands.drain()
            assert await serving_pid(running.url) != before.pid
            stream.go_on.set()
            await reader.readuntil(END)
            await until_gone(before.pid)
            assert await running.stop() == 0


async def test_wrong_settings_keep_nobody_from_anthropic(tmp_path):
    async with raw_upstream(answer_message) as upstream:
        file = write_config(tmp_path, upstream.url, upstream.url)
        right = file.read_text()
        file.write_text("port = 70000\n" + right)
        async with supervised(tmp_path) as running:
            await running.until_said("everything goes to Claude as it came until they are right")
            status = await running.commands.status()
            assert status.settings_problem is not None
            assert "70000" in status.settings_problem
            assert {each.key for each in status.backends} == {"not needed", "missing"}
            file.with_suffix(".new").write_text(right)
            file.with_suffix(".new").replace(file)
            await running.until(lambda status: status.settings_problem is None)
            assert b"200 OK" in await read_to_end(running.url, post(b"/v1/messages", SONNET))
            assert await running.stop() == 0
        assert [json.loads(body) for body in upstream.bodies] == [json.loads(SONNET)]


async def test_manager_is_told_of_readiness_life_and_end(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        told: list[str] = []

        async def until_told(text: str, times: int = 1) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while sum(text in each for each in told) < times:
                    data = await asyncio.get_running_loop().sock_recv(manager, 4096)
                    told.append(data.decode())

        variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        async with supervised(tmp_path, **variables) as running:
            await until_told("READY=1")
            await until_told("WATCHDOG=1", times=3)
            first = await serving_pid(running.url)
            assert f"Serving (worker {first})" in "".join(told)
            await running.commands.restart()
            await until_told("STATUS=Serving", times=2)
            running.send(signal.SIGTERM)
            await until_told("STOPPING=1")
            assert await running.exit_code() == 0
        assert sum("READY=1" in each for each in told) == 1


async def test_plain_unit_that_runs_serve_itself_works_too(tmp_path):
    """LISTEN_FDS and NOTIFY_SOCKET without a supervisor in between."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        command = (*OFFRAMP, "serve")
        async with supervised(tmp_path, command=command, **variables) as running:
            status = await running.commands.status()
            assert (status.pid, status.supervisor_pid) == (running.process.pid, None)
            assert await serving_pid(running.url) == running.process.pid
            told = b""
            async with asyncio.timeout(PATIENCE_S):
                while told.count(b"WATCHDOG=1") < 3 or b"READY=1" not in told:
                    told += await asyncio.get_running_loop().sock_recv(manager, 4096)
            with pytest.raises(ControlError, match="runs in a terminal"):
                await running.commands.restart()
            assert await running.stop() == 0


async def test_other_port_in_the_settings_is_pointed_out(tmp_path):
    async with supervised(tmp_path, PORT="3999") as running:
        await running.until_said("The settings name 127.0.0.1, port 3999")
        status = await running.commands.status()
        assert status.address == f"http://localhost:{running.port}"
        assert await running.stop() == 0


async def test_status_shows_the_supervisor_and_what_is_wrong_with_the_settings(tmp_path):
    file = write_config(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9")
    file.write_text("port = 70000\n")
    async with supervised(tmp_path) as running:
        ending = await run_command(tmp_path, "status")
        assert ending.code == 0
        assert f"supervisor  pid {running.process.pid}" in ending.out
        assert "The settings can't be used" in ending.out
        assert "70000" in ending.out
        assert await running.stop() == 0


@needs_proc
async def test_nothing_leaks_from_one_worker_to_the_next(tmp_path):
    async with supervised(tmp_path) as running:
        counts = []
        for _ in range(3):
            status = await running.commands.status()
            counts.append(descriptors_of(running.process.pid))
            await running.commands.restart()
            await until_gone(status.pid)
        assert len(set(counts)) == 1
        assert len(children_of(running.process.pid)) == 1
        assert await running.stop() == 0


ALONE = """
import os, socket, sys
from offramp_daemon.supervisor import supervisor

with socket.create_server(("127.0.0.1", 0)) as listener:
    sys.argv = [sys.argv[1]]
    alone = supervisor.Supervisor([listener], os.environ)
    {act}
"""


def run_alone(folder, act: str) -> subprocess.CompletedProcess[str]:
    """Do `act` with a supervisor, in a process of its own, whose workers end at once."""
    program = folder / "offramp"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    return subprocess.run(
        [sys.executable, "-c", ALONE.format(act=act), str(folder / "offramp-daemon")],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_worker_that_is_gone_before_it_was_listened_to_is_forgotten(tmp_path):
    act = "alone.start(); os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT); alone.reap()"
    done = run_alone(tmp_path, act + "; print(alone.workers_heard)")
    assert (done.stdout, done.stderr) == ("()\n", "")


@pytest.mark.parametrize(("mishaps", "code"), [(3, 0), (100, 1)])
def test_mishap_that_passes_is_lived_through(tmp_path, mishaps, code):
    act = (
        f"left = list(range({mishaps}))\n"
        "    class Unlucky(supervisor.Supervisor):\n"
        "        def handle_events(self, signals):\n"
        "            if left: left.pop(); raise KeyError('odd')\n"
        "            self.stop(); super().handle_events(signals)\n"
        "    Unlucky([listener], os.environ, breath_s=0.0).run()"
    )
    done = run_alone(tmp_path, act)
    assert done.returncode == code
    assert "An internal error in the supervisor" in done.stderr
    assert "KeyError: 'odd'" in done.stderr


def test_without_sockets_it_says_how_to_serve(tmp_path):
    done = run_supervisor(tmp_path)
    assert done.returncode == 1
    assert "No listening sockets" in done.stderr
    assert "offramp serve" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argument", "code", "words"),
    [("--help", 0, "Usage"), ("--version", 0, "version"), ("--port", 2, "Usage")],
)
def test_argument_is_answered_and_nothing_is_run(tmp_path, argument, code, words):
    done = run_supervisor(tmp_path, argument)
    assert done.returncode == code
    assert words in done.stdout + done.stderr


def run_supervisor(home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SUPERVISOR, *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_supervisor_loads_the_standard_library_and_little_of_that():
    code = "import sys, offramp_daemon.supervisor.supervisor; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    foreign = loaded - sys.stdlib_module_names - {"offramp_core", "offramp_daemon", "__main__"}
    assert not foreign
    assert not loaded & {
        "asyncio",
        "dataclasses",
        "inspect",
        "http",
        "logging",
        "subprocess",
        "ssl",
    }
