"""`offramp connect` and `offramp disconnect`: what they print, write, and end with."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import aiohttp
import golden
import pytest
from daemon_process import (
    OFFRAMP,
    Ending,
    daemon_process,
    environment,
    free_port,
    run_command,
)
from patience import PATIENCE_S
from terminal import dialogue

from offramp_core.control import health_check
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hunter2-never-shown"


class Home:
    """A home with Claude Code's and Offramp's folders, and a port of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.file = root / "claude" / "settings.json"
        self.file.parent.mkdir()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def run(self, *arguments: str, **variables: str) -> Ending:
        own = {"PORT": str(self.port), "CLAUDE_CONFIG_DIR": str(self.file.parent)}
        return await run_command(self.root, *arguments, **{**own, **variables})

    def assert_screen(self, ending: Ending, name: str) -> None:
        """What a command said is the screen `name`, the port aside."""
        said = f"{ending.out}{ending.err}".replace(self.url, "http://localhost:PORT")
        golden.assert_screen(said, name, home=self.root)


class _Health(BaseHTTPRequestHandler):
    """Answers as a daemon does to whoever asks for its health."""

    def do_GET(self) -> None:
        body = b'{"service": "offramp", "status": "ok"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """One at whose port Offramp answers."""
    home = Home(tmp_path)
    server = HTTPServer(("127.0.0.1", home.port), _Health)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield home
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silent_home(tmp_path: Path) -> Home:
    """One at whose port nobody answers."""
    return Home(tmp_path)


async def test_connect_and_disconnect_say_what_they_did(home: Home) -> None:
    home.file.write_text("{}\n")
    connected = await home.run("connect")
    assert connected.code == 0
    home.assert_screen(connected, "connect")
    assert json.loads(home.file.read_text()) == {"env": {"ANTHROPIC_BASE_URL": home.url}}
    again = await home.run("connect")
    assert (again.code, again.out.partition(":")[0]) == (0, "Claude Code uses Offramp already")
    gone = await home.run("disconnect")
    assert gone.code == 0
    home.assert_screen(gone, "disconnect")
    assert home.file.read_text() == "{}\n"
    assert (await home.run("disconnect")).out.startswith("Claude Code does not use Offramp")


async def test_foreign_address_is_refused_shown_and_restored(home: Home) -> None:
    text = '{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}'
    home.file.write_text(text)
    refused = await home.run("connect")
    assert refused.code == 1
    assert "ANTHROPIC_BASE_URL is 'https://gateway.example'" in refused.err
    assert "--force" in refused.err
    as_json = await home.run("connect", "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["outcome"] == "foreign"
    assert home.file.read_text() == text
    forced = await home.run("connect", "--force")
    assert "offramp disconnect will restore 'https://gateway.example'." in forced.out
    assert "is 'https://gateway.example' again." in (await home.run("disconnect")).out
    assert home.file.read_text() == text


async def test_somebody_elses_change_is_told_and_left(home: Home) -> None:
    await home.run("connect")
    home.file.write_text('{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}')
    ending = await home.run("disconnect")
    assert ending.code == 0
    assert "it was changed after connect" in ending.out
    assert "gateway" in home.file.read_text()


async def test_dry_run_prints_the_difference_and_writes_nothing(home: Home) -> None:
    home.file.write_text(f'{{\n  "env": {{\n    "OTHER": "{SECRET}"\n  }}\n}}\n')
    before = home.file.read_bytes()
    ending = await home.run("connect", "--dry-run")
    assert ending.code == 0
    assert f'+    "ANTHROPIC_BASE_URL": "{home.url}"\n' in ending.out
    assert SECRET not in ending.out
    assert ending.err.startswith("Nothing was written.\n")
    assert home.file.read_bytes() == before
    assert [path.name for path in home.file.parent.iterdir()] == ["settings.json"]
    assert not Paths.under(home.root).claude_code_file.exists()
    await home.run("connect")
    ending = await home.run("disconnect", "--dry-run")
    assert f'-    "ANTHROPIC_BASE_URL": "{home.url}"\n' in ending.out
    assert home.url in home.file.read_text()


async def test_missing_file_is_made_and_removed_again(home: Home) -> None:
    made = json.loads((await home.run("connect", "--json")).out)
    assert (made["outcome"], made["changed"], made["backup"]) == ("connected", True, None)
    assert made["address"] == home.url
    gone = await home.run("disconnect")
    assert f"{home.file}: removed, because Offramp had created it." in gone.out
    assert not home.file.exists()


async def test_backup_beside_one_of_somebody_elses_is_named_truly(home: Home) -> None:
    home.file.write_text("{}\n")
    usual = home.file.with_name("settings.json.offramp-backup")
    usual.symlink_to("something-else")
    connected = await home.run("connect")
    assert f"Backup of the file: {usual}-2\n" in connected.out
    home.file.write_text(home.file.read_text().replace("{", '{"mine": 1, ', 1))
    gone = await home.run("disconnect")
    assert f"The backup that connect made of the file stays: {usual}-2\n" in gone.out
    assert f"{usual}\n" not in gone.out
    assert usual.is_symlink()


async def test_vanished_backup_is_not_said_to_stay(home: Home) -> None:
    home.file.write_text("{}\n")
    made = json.loads((await home.run("connect", "--json")).out)["backup"]
    home.file.with_name("settings.json.offramp-backup").unlink()
    gone = await home.run("disconnect")
    assert made not in gone.out
    assert "stays" not in gone.out
    await home.run("connect")
    home.file.write_text(home.file.read_text().replace("{", '{"mine": 1, ', 1))
    assert json.loads((await home.run("disconnect", "--json")).out)["backup"] == made


async def test_credentials_are_warned_of_and_never_printed(home: Home) -> None:
    home.file.write_text(f'{{"env": {{"ANTHROPIC_AUTH_TOKEN": "{SECRET}"}}}}')
    for options in ([], ["--dry-run"], ["--json"], ["--json", "--dry-run"]):
        ending = await home.run("connect", *options, ANTHROPIC_API_KEY=SECRET)
        said = ending.out + ending.err
        assert "sets ANTHROPIC_AUTH_TOKEN in its env" in said
        assert "ANTHROPIC_API_KEY is set in this environment" in said
        assert SECRET not in said


async def test_model_names_of_an_earlier_set_up_are_warned_of(home: Home) -> None:
    home.file.write_text('{"env": {"ANTHROPIC_DEFAULT_SONNET_MODEL": "glm-5.3"}}')
    for options in ([], ["--json"], ["--dry-run"]):
        ending = await home.run("connect", *options, CLAUDE_CODE_SUBAGENT_MODEL="glm-4.7")
        assert ending.code == 0
        said = ending.out + ending.err
        assert "sets ANTHROPIC_DEFAULT_SONNET_MODEL to 'glm-5.3': Sonnet requests go to" in said
        assert "sets CLAUDE_CODE_SUBAGENT_MODEL to 'glm-4.7': subagents' requests go to" in said
    assert "glm-5.3" in home.file.read_text()


def put_into_store(home: Home, text: str, *, by_folder: bool = False) -> Path:
    """Let Claude Code's settings be a link to a file that nobody may change, as on NixOS."""
    generation = home.root / "store" / "generation-7"
    generation.mkdir(parents=True)
    stored = generation / "settings.json"
    stored.write_text(text)
    stored.chmod(0o444)
    if by_folder:
        home.file.parent.rmdir()
        home.file.parent.symlink_to(generation)
    else:
        (home.root / "profile").symlink_to(generation)
        home.file.symlink_to(home.root / "profile" / "settings.json")
    generation.chmod(0o555)
    return stored


@pytest.fixture
def opened_store(home: Home) -> Iterator[None]:
    """Let pytest remove the store again."""
    yield
    (home.root / "store" / "generation-7").chmod(0o755)


@pytest.mark.usefixtures("opened_store")
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--json",), ("--force",)])
@pytest.mark.parametrize("by_folder", [False, True])
async def test_settings_in_a_read_only_store_are_left_and_the_other_ways_named(
    home: Home, options: tuple[str, ...], by_folder: bool
) -> None:
    stored = put_into_store(home, '{"model": "opus"}', by_folder=by_folder)
    ending = await home.run("connect", *options)
    assert (ending.code, ending.out) == (1, "")
    assert f"{home.file} is read-only (a link to {stored})" in ending.err
    assert "managed-settings.json" in ending.err
    assert f'{{"env": {{"ANTHROPIC_BASE_URL": "{home.url}"}}}}' in ending.err
    assert f"export ANTHROPIC_BASE_URL={home.url}" in ending.err
    assert stored.read_text() == '{"model": "opus"}'
    assert [each.name for each in home.file.parent.iterdir()] == ["settings.json"]
    assert not Paths.under(home.root).claude_code_file.exists()


@pytest.mark.usefixtures("opened_store")
async def test_read_only_settings_are_no_trouble_once_the_shell_has_the_address(home: Home) -> None:
    put_into_store(home, "{}")
    ending = await home.run("connect", ANTHROPIC_BASE_URL=home.url)
    assert ending.code == 0
    assert ending.out.startswith("Claude Code uses Offramp already: nothing was changed.")
    assert "This shell's environment sets ANTHROPIC_BASE_URL" in ending.out
    told = json.loads((await home.run("connect", "--json", ANTHROPIC_BASE_URL=home.url)).out)
    assert (told["outcome"], told["changed"]) == ("already-connected", False)


@pytest.mark.usefixtures("opened_store")
async def test_read_only_settings_with_another_address_can_not_be_outdone_by_export(
    home: Home,
) -> None:
    put_into_store(home, '{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}')
    assert "--force" in (await home.run("connect")).err
    forced = await home.run("connect", "--force")
    assert forced.code == 1
    assert "managed-settings.json" in forced.err
    assert "export" not in forced.err


@pytest.mark.usefixtures("opened_store")
async def test_read_only_settings_that_hold_the_address_are_let_go_where_they_are_made(
    home: Home,
) -> None:
    text = f'{{"env": {{"ANTHROPIC_BASE_URL": "{home.url}"}}}}'
    stored = put_into_store(home, text)
    assert (await home.run("connect")).code == 0
    ending = await home.run("disconnect")
    assert ending.code == 1
    assert "is read-only (a link to" in ending.err
    assert "where that file is generated" in ending.err
    assert stored.read_text() == text


TOKEN = "a1b2c3d4e5f60718293a4b5c"


async def test_client_token_is_sent_kept_private_and_taken_out_again(home: Home) -> None:
    home.file.write_text('{"env": {"ANTHROPIC_CUSTOM_HEADERS": "a: b"}}')
    home.file.chmod(0o644)
    before = home.file.read_text()
    for arguments in (("connect", "--dry-run"), ("connect", "--dry-run", "--json")):
        planned = await home.run(*arguments, OFFRAMP_CLIENT_TOKEN=TOKEN)
        assert planned.code == 0
        assert "x-offramp-token: ***" in planned.out
        assert TOKEN not in planned.out + planned.err
    assert home.file.read_text() == before
    connected = await home.run("connect", OFFRAMP_CLIENT_TOKEN=TOKEN)
    assert connected.code == 0
    assert "sends your client_token" in connected.out
    headers = json.loads(home.file.read_text())["env"]["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == f"a: b\nx-offramp-token: {TOKEN}"
    assert home.file.stat().st_mode & 0o777 == 0o600
    as_json = await home.run("connect", "--json", OFFRAMP_CLIENT_TOKEN=TOKEN)
    assert json.loads(as_json.out)["outcome"] == "already-connected"
    planned = await home.run("connect", "--dry-run", OFFRAMP_CLIENT_TOKEN=TOKEN[::-1])
    assert "another value" in planned.out
    renewed = await home.run("connect", OFFRAMP_CLIENT_TOKEN=TOKEN[::-1])
    assert "sends your client_token" in renewed.out
    assert "before" not in renewed.out
    assert TOKEN[::-1] in home.file.read_text()
    gone = await home.run("disconnect", "--dry-run")
    assert "x-offramp-token: ***" in gone.out
    gone = await home.run("disconnect")
    assert "x-offramp-token was removed" in gone.out
    assert home.file.read_text() == before
    said = "".join(each.out + each.err for each in (connected, as_json, renewed, gone))
    assert TOKEN not in said
    assert TOKEN[::-1] not in said


@pytest.mark.usefixtures("opened_store")
async def test_read_only_settings_are_told_how_to_send_the_token(home: Home) -> None:
    put_into_store(home, json.dumps({"env": {"ANTHROPIC_BASE_URL": home.url}}))
    assert (await home.run("connect")).code == 0
    refused = await home.run("connect", OFFRAMP_CLIENT_TOKEN=TOKEN)
    assert refused.code == 1
    assert refused.err.count("x-offramp-token: TOKEN") == 2
    assert TOKEN not in refused.err


async def test_written_token_is_the_one_that_the_daemon_wants(silent_home: Home) -> None:
    async with daemon_process(silent_home.root, port=silent_home.port, OFFRAMP_CLIENT_TOKEN=TOKEN):
        await silent_home.run("connect", OFFRAMP_CLIENT_TOKEN=TOKEN)
        env = json.loads(silent_home.file.read_text())["env"]
        name, _, value = env["ANTHROPIC_CUSTOM_HEADERS"].partition(": ")
        async with aiohttp.ClientSession() as client:
            for headers, status in (({name: value}, 200), ({}, 403)):
                url = f"{env['ANTHROPIC_BASE_URL']}/health"
                async with client.get(url, headers=headers) as answer:
                    assert answer.status == status
        health = await asyncio.to_thread(
            health_check.read_health, f"127.0.0.1:{silent_home.port}", patience_s=PATIENCE_S
        )
        assert health is not None
        assert health_check.is_refusal(health)
        assert health_check.who_answers(silent_home.url) == "other"
        doctor = await silent_home.run("doctor", "--only", "port", OFFRAMP_CLIENT_TOKEN=TOKEN)
        assert doctor.code == 0, doctor.out


async def test_no_json_is_refused_with_its_place(home: Home) -> None:
    home.file.write_text('{\n  "env": {]\n}')
    ending = await home.run("connect")
    assert (ending.code, ending.out) == (1, "")
    assert ending.err.startswith(f"offramp: {home.file}, line 2, column 11: a key")


async def test_disconnect_works_though_the_settings_are_refused(home: Home) -> None:
    await home.run("connect")
    config = Paths.under(home.root).config_file
    config.parent.mkdir(exist_ok=True)
    config.write_text("port = ")
    ending = await home.run("disconnect")
    assert ending.code == 0
    assert "Using the default address" in ending.err
    assert not home.file.exists()


async def test_running_daemon_is_recognised(silent_home: Home) -> None:
    async with daemon_process(silent_home.root, port=silent_home.port):
        ending = await silent_home.run("connect")
    assert (ending.code, ending.err) == (0, "")


async def test_health_tells_who_answers() -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        writer.close()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    for handler, expected in ((close, "other"), (chat, "other"), (wait, "none")):
        async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            answer = await asyncio.to_thread(health_check.who_answers, url, patience_s=0.2)
            assert answer == expected


@pytest.mark.parametrize("text", [None, "{}\n", '{"env": {"ANTHROPIC_BASE_URL": "http://x.test"}}'])
async def test_address_where_nobody_answers_is_not_written(
    silent_home: Home, text: str | None
) -> None:
    if text is not None:
        silent_home.file.write_text(text)
    options = ("--force",) if text and "x.test" in text else ()
    if not options:
        refused = await silent_home.run("connect")
        assert (refused.code, refused.out) == (1, "")
        assert f"Nothing answers at {silent_home.url}" in refused.err
        assert "offramp serve" in refused.err
        assert "--force" in refused.err
        as_json = await silent_home.run("connect", "--json")
        told = json.loads(as_json.out)
        assert as_json.code == 1
        assert (told["outcome"], told["changed"], told["new"]) == ("unanswered", False, None)
        assert silent_home.file.exists() == (text is not None)
        assert text is None or silent_home.file.read_text() == text
    forced = await silent_home.run("connect", "--force")
    assert forced.code == 0
    assert "Nothing answers" in forced.err
    assert silent_home.url in silent_home.file.read_text()
    again = await silent_home.run("connect")  # it is there already: nothing to refuse
    assert again.code == 0
    assert "Nothing answers" in again.err


async def test_address_where_another_program_answers_is_not_written(silent_home: Home) -> None:
    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(chat, "127.0.0.1", silent_home.port):
        refused = await silent_home.run("connect")
    assert refused.code == 1
    assert "it is not Offramp" in refused.err
    assert not silent_home.file.exists()


async def test_daemon_that_wants_the_token_answers(silent_home: Home) -> None:
    async with daemon_process(silent_home.root, port=silent_home.port, OFFRAMP_CLIENT_TOKEN=TOKEN):
        ending = await silent_home.run("connect", OFFRAMP_CLIENT_TOKEN=TOKEN)
    assert ending.code == 0, ending.err


async def test_dry_run_shows_the_change_though_nobody_answers(silent_home: Home) -> None:
    ending = await silent_home.run("connect", "--dry-run")
    assert ending.code == 0
    assert silent_home.url in ending.out
    assert "Nothing answers" in ending.err


async def test_terminal_is_asked_whether_to_connect_all_the_same(silent_home: Home) -> None:
    own = {"PORT": str(silent_home.port), "CLAUDE_CONFIG_DIR": str(silent_home.file.parent)}
    variables = environment(silent_home.root, **own)
    for answer, is_written in (("n", False), ("y", True)):
        code, screen = await asyncio.to_thread(
            dialogue, [*OFFRAMP, "connect"], variables, [("anyway", answer)]
        )
        assert "Nothing answers" in screen
        assert (code == 0, silent_home.file.exists()) == (is_written, is_written)


SETTINGS = (
    None,
    "",
    "{}\n",
    '{"model": "opus"}',
    '{"model":"opus","env":{"A":"1"}}',
    '{\n  "model": "opus"\n}\n',
    '{\r\n\t"model": "opus",\r\n\t"env": {\r\n\t\t"A": "1"\r\n\t}\r\n}',
)


@pytest.mark.parametrize("text", SETTINGS)
async def test_status_line_goes_in_and_out_without_a_trace(home: Home, text: str | None) -> None:
    if text is not None:
        home.file.write_bytes(text.encode())
    connected = await home.run("connect", "--statusline")
    assert connected.code == 0, connected.err
    assert "status line" in connected.out
    line = json.loads(home.file.read_bytes())["statusLine"]
    assert line["type"] == "command"
    assert line["command"].endswith("offramp statusline")
    again = await home.run("connect", "--statusline")
    assert "uses Offramp already" in again.out
    assert (await home.run("connect")).code == 0
    assert json.loads(home.file.read_bytes())["statusLine"] == line
    gone = await home.run("disconnect")
    assert gone.code == 0
    assert "statusLine was removed" in gone.out or text is None
    if text is None:
        assert not home.file.exists()
    else:
        assert home.file.read_bytes() == text.encode()


async def test_status_line_can_be_added_later_and_goes_with_the_rest(home: Home) -> None:
    home.file.write_text('{\n  "model": "opus"\n}\n')
    before = home.file.read_bytes()
    await home.run("connect")
    added = await home.run("connect", "--statusline", "--json")
    told = json.loads(added.out)
    assert (told["outcome"], told["changed"], told["status_line"]) == ("connected", True, True)
    assert "statusLine" in json.loads(home.file.read_text())
    await home.run("disconnect")
    assert home.file.read_bytes() == before


OTHERS = '{"statusLine": {"type": "command", "command": "my-own line"}}'


async def test_other_peoples_status_line_stays_and_that_is_said(home: Home) -> None:
    home.file.write_text(OTHERS)
    connected = await home.run("connect", "--statusline")
    assert connected.code == 0
    assert "another statusLine, which stays" in connected.err
    assert "my-own" not in connected.out + connected.err
    assert json.loads(home.file.read_text())["statusLine"]["command"] == "my-own line"
    await home.run("disconnect")
    assert home.file.read_text() == OTHERS


async def test_status_line_that_was_changed_since_stays(home: Home) -> None:
    await home.run("connect", "--statusline")
    settings = json.loads(home.file.read_text())
    settings["statusLine"]["command"] = "something else"
    home.file.write_text(json.dumps(settings))
    gone = await home.run("disconnect")
    assert gone.code == 0
    assert json.loads(home.file.read_text())["statusLine"]["command"] == "something else"


async def test_status_line_with_padding_added_since_is_still_ours(home: Home) -> None:
    await home.run("connect", "--statusline")
    settings = json.loads(home.file.read_text())
    settings["statusLine"]["padding"] = 0
    home.file.write_text(json.dumps(settings))
    assert (await home.run("disconnect")).code == 0
    assert not home.file.exists()


async def test_status_line_goes_though_another_address_was_written_since(home: Home) -> None:
    await home.run("connect", "--statusline")
    settings = json.loads(home.file.read_text())
    settings["env"]["ANTHROPIC_BASE_URL"] = "https://gateway.example"
    home.file.write_text(json.dumps(settings))
    gone = await home.run("disconnect")
    assert gone.code == 0
    left = json.loads(home.file.read_text())
    assert left == {"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}


async def test_status_line_replaced_since_is_not_called_ours(home: Home) -> None:
    await home.run("connect", "--statusline")
    settings = json.loads(home.file.read_text())
    settings["statusLine"]["command"] = "something else"
    home.file.write_text(json.dumps(settings))
    again = await home.run("connect", "--statusline")
    assert "another statusLine, which stays" in again.err
    told = json.loads((await home.run("connect", "--statusline", "--json")).out)
    assert told["status_line"] is False
    gone = await home.run("disconnect")
    assert "no longer uses" in gone.out
    assert "statusLine" not in gone.out


async def test_status_line_removed_since_is_not_said_to_be_shown_or_taken_out(home: Home) -> None:
    await home.run("connect", "--statusline")
    settings = json.loads(home.file.read_text())
    del settings["statusLine"]
    del settings["env"]
    home.file.write_text(json.dumps(settings))
    again = await home.run("connect")
    assert "Claude Code now uses" in again.out
    assert "status line" not in again.out
    assert "statusLine" not in (await home.run("disconnect")).out


async def test_status_line_of_ours_written_by_hand_is_not_called_anothers(home: Home) -> None:
    await home.run("connect", "--statusline")
    text = home.file.read_text()
    await home.run("disconnect")
    by_hand = json.dumps({"statusLine": json.loads(text)["statusLine"]})
    home.file.write_text(by_hand)
    connected = await home.run("connect", "--statusline")
    assert connected.code == 0
    assert "another" not in connected.err
    await home.run("disconnect")
    assert home.file.read_text() == by_hand


@pytest.mark.parametrize("address", ["https://gateway.example", None])
async def test_status_line_is_never_taken_out_under_nothing_was_changed(
    home: Home, address: str | None
) -> None:
    await home.run("connect", "--statusline")
    settings = json.loads(home.file.read_text())
    settings["env"] = {} if address is None else {"ANTHROPIC_BASE_URL": address}
    home.file.write_text(json.dumps(settings))
    gone = await home.run("disconnect")
    assert "statusLine was removed" in gone.out
    assert "nothing was changed" not in gone.out
    assert "old address" not in gone.out


async def test_status_line_added_later_sends_nobody_to_restart_their_sessions(home: Home) -> None:
    assert "old address" in (await home.run("connect")).out
    assert "old address" not in (await home.run("connect", "--statusline")).out


async def test_backup_is_made_though_the_address_was_written_by_hand(home: Home) -> None:
    by_hand = json.dumps({"env": {"ANTHROPIC_BASE_URL": home.url}})
    home.file.write_text(by_hand)
    connected = await home.run("connect", "--statusline")
    backup = home.file.with_name("settings.json.offramp-backup")
    assert str(backup) in connected.out
    assert backup.read_text() == by_hand


async def test_relative_home_stands_in_the_status_line_as_a_whole_path(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.root)
    connected = await home.run("connect", "--statusline", OFFRAMP_HOME="own/home")
    assert connected.code == 0, connected.err
    command = json.loads(home.file.read_text())["statusLine"]["command"]
    assert f"OFFRAMP_HOME={home.root}/own/home" in command


async def test_home_that_no_json_can_hold_is_refused_in_words(home: Home) -> None:
    odd = os.fsdecode(os.fsencode(home.root) + b"/\xff")
    connected = await home.run("connect", "--statusline", OFFRAMP_HOME=odd)
    assert connected.code == 1
    assert "UTF-8" in connected.err
    assert "Traceback" not in connected.err
    assert not home.file.exists()


@pytest.mark.usefixtures("opened_store")
async def test_read_only_settings_say_that_they_set_no_status_line(home: Home) -> None:
    put_into_store(home, json.dumps({"env": {"ANTHROPIC_BASE_URL": home.url}}))
    ending = await home.run("connect", "--statusline")
    assert ending.code == 0
    assert "the status line was not set" in ending.err
    assert '{"statusLine": {"type": "command", "command": "' in ending.err
    told = json.loads((await home.run("connect", "--statusline", "--json")).out)
    assert told["status_line"] is False
    assert len(told["warnings"]) == 1
    assert "not set" not in (await home.run("connect")).err


@pytest.mark.parametrize("change", ["removed", "replaced"])
@pytest.mark.parametrize("token", [True, False])
async def test_token_goes_though_the_address_was_changed_since(
    home: Home, change: str, token: bool
) -> None:
    home.file.write_text("{}")
    await home.run("connect", OFFRAMP_CLIENT_TOKEN=TOKEN)
    settings = json.loads(home.file.read_text())
    if change == "removed":
        del settings["env"]["ANTHROPIC_BASE_URL"]
    else:
        settings["env"]["ANTHROPIC_BASE_URL"] = "https://gateway.example"
    home.file.write_text(json.dumps(settings))
    variables = {"OFFRAMP_CLIENT_TOKEN": TOKEN} if token else {}
    assert (await home.run("connect", "--force", **variables)).code == 0
    assert (TOKEN in home.file.read_text()) is token
    assert (await home.run("disconnect")).code == 0
    assert TOKEN not in home.file.read_text()


async def test_settings_that_keep_the_status_line_away_are_named(home: Home) -> None:
    home.file.write_text('{"disableAllHooks": true}')
    connected = await home.run("connect", "--statusline")
    assert connected.code == 0
    assert "disableAllHooks" in connected.err


async def test_status_line_without_the_option_is_not_set(home: Home) -> None:
    await home.run("connect")
    assert "statusLine" not in home.file.read_text()


async def test_addresses_in_json_are_plain_text(home: Home) -> None:
    home.file.write_text('{"env": {"ANTHROPIC_BASE_URL": "https://me:pw@gw.example.com"}}')
    planned = json.loads((await home.run("connect", "--force", "--dry-run", "--json")).out)
    assert planned["new"] == home.url
    assert planned["old"] == "***@gw.example.com"
    made = json.loads((await home.run("connect", "--force", "--json")).out)
    assert (made["new"], made["address"]) == (home.url, home.url)
    gone = json.loads((await home.run("disconnect", "--json")).out)
    assert (gone["old"], gone["new"]) == (home.url, "***@gw.example.com")
    assert "pw" not in json.dumps([planned, made, gone])
