"""The file of Claude Code's settings, what is remembered of it, and what is warned of."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from privileges import open_to_others, without_root

from offramp_core import atomic_file
from offramp_core.addresses import client_base_url, leads_here
from offramp_core.claude_settings import warnings
from offramp_core.claude_settings.connection import (
    ConnectOutcome,
    SettingsEdit,
    apply,
    plan_connect,
    plan_disconnect,
)
from offramp_core.claude_settings.locations import SettingsLocations, managed_file
from offramp_core.claude_settings.masked_diff import unified
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL = "http://localhost:3001"
OTHER = "https://gateway.example/v1"
SECRET = "hunter2-never-shown"
SETTINGS = '{\n  "env": {\n    "A": "1"\n  }\n}\n'


def is_own(url: str) -> bool:
    return leads_here(url, host="127.0.0.1", port=3001)


class Claude:
    """One settings file, and our memory of it."""

    def __init__(self, root: Path) -> None:
        self.file = root / "claude" / "settings.json"
        self.memory = root / "config" / "claude-code.json"

    def write(self, text: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_bytes(text.encode())

    @property
    def text(self) -> str:
        return self.file.read_bytes().decode()

    def connect(self, url: str = URL, *, force: bool = False) -> SettingsEdit:
        def leads(other: str) -> bool:
            return other == url or (url == URL and is_own(other))

        change = plan_connect(self.file, self.memory, url, is_own=leads, force=force)
        if change.outcome is not ConnectOutcome.FOREIGN:
            apply(change, self.memory)
        return change

    def disconnect(self) -> SettingsEdit:
        change = plan_disconnect(self.file, self.memory, is_own=is_own)
        apply(change, self.memory)
        return change


@pytest.fixture
def claude(tmp_path: Path) -> Claude:
    return Claude(tmp_path)


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[None]:
    if os.geteuid() == 0:
        open_to_others(tmp_path)
    with without_root():
        yield


@pytest.mark.parametrize("text", ["", " \n", "{}", "{}\n", SETTINGS, "\ufeff" + SETTINGS])
def test_connect_then_disconnect_gives_the_same_file(claude: Claude, text: str) -> None:
    claude.write(text)
    connected = claude.connect()
    assert connected.outcome is ConnectOutcome.CONNECTED
    assert connected.new == f"'{URL}'"
    assert URL in claude.text.splitlines()[(connected.line or 0) - 1]
    assert connected.backup.read_bytes().decode() == text
    gone = claude.disconnect()
    assert gone.outcome is ConnectOutcome.DISCONNECTED
    assert claude.text == text
    assert not gone.backup.exists()
    assert not claude.memory.exists()
    assert sorted(path.name for path in claude.file.parent.iterdir()) == ["settings.json"]


def test_missing_file_is_made_private_and_removed_again(claude: Claude) -> None:
    change = claude.connect()
    assert stat.S_IMODE(claude.file.stat().st_mode) == 0o600
    assert not change.backup.exists()
    assert claude.disconnect().after is None
    assert not claude.file.exists()


def test_made_file_that_others_wrote_into_stays(claude: Claude) -> None:
    claude.connect()
    claude.write(claude.text.replace('"env"', '"model": "opus", "env"'))
    claude.disconnect()
    assert claude.text.split() == ["{", '"model":', '"opus"', "}"]


def test_both_are_idempotent(claude: Claude) -> None:
    claude.write(SETTINGS)
    claude.connect()
    first = claude.text
    again = claude.connect()
    assert (again.outcome, again.is_edit) == (ConnectOutcome.ALREADY_CONNECTED, False)
    assert claude.text == first
    assert again.backup.read_bytes().decode() == SETTINGS
    claude.disconnect()
    assert claude.disconnect().outcome is ConnectOutcome.NOT_CONNECTED
    assert claude.text == SETTINGS


def test_foreign_value_stays_until_forced_and_comes_back(claude: Claude) -> None:
    text = f'{{"env": {{"ANTHROPIC_BASE_URL": "{OTHER}"}}}}'
    claude.write(text)
    refused = claude.connect()
    assert (refused.outcome, refused.old) == (ConnectOutcome.FOREIGN, f"'{OTHER}'")
    assert claude.text == text
    forced = claude.connect(force=True)
    assert (forced.old, forced.new, forced.previous) == (f"'{OTHER}'", f"'{URL}'", f"'{OTHER}'")
    assert stat.S_IMODE(claude.memory.stat().st_mode) == 0o600
    assert claude.connect(force=True).outcome is ConnectOutcome.ALREADY_CONNECTED
    restored = claude.disconnect()
    assert (restored.outcome, restored.new) == (ConnectOutcome.RESTORED, f"'{OTHER}'")
    assert claude.text == text


def test_our_own_older_address_is_replaced_without_force(claude: Claude) -> None:
    claude.write(f'{{"env": {{"ANTHROPIC_BASE_URL": "{OTHER}"}}}}')
    claude.connect(force=True)
    moved = claude.connect("http://localhost:4000")
    assert (moved.outcome, moved.old) == (ConnectOutcome.CONNECTED, f"'{URL}'")
    assert OTHER in moved.backup.read_text()
    assert claude.disconnect().outcome is ConnectOutcome.RESTORED
    assert OTHER in claude.text


def test_value_that_somebody_changed_since_is_left_alone(claude: Claude) -> None:
    claude.write(SETTINGS)
    claude.connect()
    claude.write(claude.text.replace(URL, OTHER))
    change = claude.disconnect()
    assert (change.outcome, change.old) == (ConnectOutcome.CHANGED_MEANWHILE, f"'{OTHER}'")
    assert OTHER in claude.text
    assert claude.disconnect().outcome is ConnectOutcome.NOT_CONNECTED


def test_value_that_somebody_took_out_since_is_told_with_what_was_before(claude: Claude) -> None:
    claude.write('{"env": {"ANTHROPIC_BASE_URL": null}}')
    claude.connect(force=True)
    claude.write("{}")
    change = claude.disconnect()
    assert (change.outcome, change.old, change.previous) == (
        ConnectOutcome.NOT_CONNECTED,
        None,
        "no text",
    )
    assert change.recalled is not None
    assert claude.text == "{}"


def test_address_written_by_hand_goes_too_since_it_leads_here(claude: Claude) -> None:
    claude.write('{"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:3001/"}}')
    assert claude.connect().outcome is ConnectOutcome.ALREADY_CONNECTED
    assert claude.disconnect().outcome is ConnectOutcome.DISCONNECTED
    assert claude.text == '{"env": {}}'


def test_mode_owner_and_symbolic_link_survive(claude: Claude, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles.json"
    dotfiles.write_text(SETTINGS)
    dotfiles.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(dotfiles, 12345, 23456)
    claude.file.parent.mkdir()
    claude.file.symlink_to("../dotfiles.json")
    before = dotfiles.stat()
    change = claude.connect()
    after = dotfiles.stat()
    assert claude.file.is_symlink()
    assert URL in dotfiles.read_text()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert change.backup.parent == claude.file.parent
    assert change.backup.stat().st_mode == before.st_mode
    claude.disconnect()
    assert dotfiles.read_text() == SETTINGS


def test_dangling_link_is_written_through(claude: Claude, tmp_path: Path) -> None:
    claude.file.parent.mkdir()
    claude.file.symlink_to(tmp_path / "elsewhere.json")
    claude.connect()
    assert URL in (tmp_path / "elsewhere.json").read_text()
    claude.disconnect()
    assert claude.file.is_symlink()
    assert not claude.file.exists()


def test_link_to_itself_is_refused(claude: Claude) -> None:
    claude.file.parent.mkdir()
    claude.file.symlink_to(claude.file)
    with pytest.raises(OfframpError, match="can't be read"):
        claude.connect()


def plant_file(path: Path) -> None:
    path.write_text("somebody's own")


def plant_link(path: Path) -> None:
    elsewhere = path.with_name(f"elsewhere-of-{path.name}")
    elsewhere.write_text(SETTINGS)
    path.symlink_to(elsewhere)


def plant_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def plant_pipe(path: Path) -> None:
    os.mkfifo(path)


PLANTS = [plant_file, plant_link, plant_dangling_link, plant_pipe, Path.mkdir]


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        path.name: path.read_bytes() if path.is_file() else None
        for path in folder.iterdir()
        if path.name != "settings.json"
    }


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("taken", [1, 2, 3])
def test_taken_name_of_the_backup_is_left_and_another_one_used(
    claude: Claude, plant: Callable[[Path], None], taken: int
) -> None:
    claude.write(SETTINGS)
    names = [f"settings.json.offramp-backup{end}" for end in ("", "-2", "-3")][:taken]
    for name in names:
        plant(claude.file.with_name(name))
    before = listing(claude.file.parent)
    connected = claude.connect()
    assert connected.backup.name == f"settings.json.offramp-backup-{taken + 1}"
    assert connected.backup.read_text() == SETTINGS
    assert not connected.backup.is_symlink()
    gone = claude.disconnect()
    assert gone.standing_backups == ()
    assert claude.text == SETTINGS
    assert listing(claude.file.parent) == before


def test_name_of_the_backup_taken_after_the_look_is_left(claude: Claude) -> None:
    claude.write(SETTINGS)
    change = plan_connect(claude.file, claude.memory, URL, is_own=is_own)
    change.backup.symlink_to(claude.file.with_name("planted"))
    with pytest.raises(OfframpError, match="offramp-backup can't be written: File exists"):
        apply(change, claude.memory)
    assert claude.text == SETTINGS
    assert not claude.memory.exists()
    assert not claude.file.with_name("planted").exists()


def test_backup_stays_and_is_named_if_the_settings_were_edited_meanwhile(claude: Claude) -> None:
    claude.write(SETTINGS)
    kept = claude.connect().backup
    claude.write(claude.text.replace('"1"', '"2"'))
    gone = claude.disconnect()
    assert gone.standing_backups == (kept,)
    assert kept.read_text() == SETTINGS


def change_it(path: Path) -> None:
    path.write_text("{}")


def link_it(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [change_it, link_it, put_a_folder, Path.unlink])
@pytest.mark.parametrize("is_edited", [False, True])
def test_backup_that_is_no_longer_what_connect_made_is_neither_named_nor_removed(
    claude: Claude, spoil: Callable[[Path], None], is_edited: bool
) -> None:
    claude.write(SETTINGS)
    backup = claude.connect().backup
    spoil(backup)
    if is_edited:
        claude.write(claude.text.replace('"1"', '"2"'))
    before = listing(claude.file.parent)
    gone = claude.disconnect()
    assert gone.standing_backups == ()
    assert listing(claude.file.parent) == before


def test_second_connect_after_an_edit_by_hand_keeps_both_states(claude: Claude) -> None:
    claude.write(SETTINGS)
    first = claude.connect().backup
    claude.write('{"mine": 1}')
    second = claude.connect().backup
    assert (first.read_text(), second.read_text()) == (SETTINGS, '{"mine": 1}')
    gone = claude.disconnect()
    assert claude.text == '{"mine": 1}'
    assert gone.standing_backups == (first,)
    assert not second.exists()


def test_second_connect_of_the_same_file_makes_no_second_backup(claude: Claude) -> None:
    claude.write(SETTINGS)
    first = claude.connect().backup
    claude.write(SETTINGS)
    assert claude.connect().backup == first
    assert list(listing(claude.file.parent)) == [first.name]
    claude.disconnect()
    assert listing(claude.file.parent) == {}


def test_second_connect_after_the_backup_vanished_makes_another(claude: Claude) -> None:
    claude.write(SETTINGS)
    claude.connect().backup.unlink()
    claude.write(SETTINGS)
    assert claude.connect().backup.read_text() == SETTINGS


def test_backup_of_settings_restored_by_hand_is_removed_as_needless(claude: Claude) -> None:
    claude.write(SETTINGS)
    backup = claude.connect().backup
    claude.write(SETTINGS)
    assert claude.disconnect().outcome is ConnectOutcome.NOT_CONNECTED
    assert not backup.exists()


def test_address_moved_to_another_port_keeps_the_first_backup_only(claude: Claude) -> None:
    claude.write(SETTINGS)
    first = claude.connect().backup
    assert claude.connect("http://localhost:4000").backup == first
    assert list(listing(claude.file.parent)) == [first.name]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a" 1}', "line 1, column 6: a colon"),
        (b'{\n "env": "sk-secret"}', "line 2, column 9: env is not an object"),
        (b"[]", "line 1, column 1: the settings are not an object"),
        (b'{"a": "\xff"}', "is not UTF-8 text"),
        (b"{\n  // sk-secret\n}", "line 2, column 3: there is a comment here"),
        (b'{"a": "sk-secret",}', "line 1, column 18: there is a comma before a closing bracket"),
    ],
)
def test_what_is_no_settings_is_refused_and_left(claude: Claude, data: bytes, words: str) -> None:
    claude.file.parent.mkdir()
    claude.file.write_bytes(data)
    with pytest.raises(OfframpError, match=words) as refusal:
        claude.connect()
    assert "secret" not in str(refusal.value)
    assert claude.file.read_bytes() == data
    assert not claude.memory.exists()


def test_unreadable_settings_without_an_address_keep_nobody_from_leaving(claude: Claude) -> None:
    claude.write("{\n  // mine\n}")
    assert claude.disconnect().outcome is ConnectOutcome.NOT_CONNECTED
    assert claude.text == "{\n  // mine\n}"
    claude.write('{"env": {"ANTHROPIC_BASE_URL": "x"} /* mine */}')
    with pytest.raises(OfframpError, match="there is a comment"):
        claude.disconnect()


def test_pipe_is_refused_without_waiting_for_a_writer(claude: Claude) -> None:
    claude.file.parent.mkdir()
    os.mkfifo(claude.file)
    with pytest.raises(OfframpError, match="is not a file"):
        claude.connect()


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [("settings.json", 0o444, "it is read-only"), (".", 0o500, "Permission denied")],
)
def test_what_is_read_only_is_left_and_nothing_remembered(
    claude: Claude, as_nobody: None, name: str, mode: int, words: str
) -> None:
    del as_nobody
    folder = claude.file.parent
    with_root_again(folder.parent)
    claude.write(SETTINGS)
    (folder / name).chmod(mode)
    with pytest.raises(OfframpError, match=f"can't be written: {words}") as refusal:
        claude.connect()
    assert str(folder) in refusal.value.hint
    assert claude.text == SETTINGS
    assert not claude.memory.exists()
    assert [path.name for path in folder.iterdir()] == ["settings.json"]
    folder.chmod(0o700)


def with_root_again(folder: Path) -> None:
    """Give nobody a folder to write in, where the tests run as root."""
    user = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
        os.chown(folder, user, -1)
        os.seteuid(user)


def test_file_changed_between_look_and_write_is_left(claude: Claude) -> None:
    claude.write(SETTINGS)
    change = plan_connect(claude.file, claude.memory, URL, is_own=is_own)
    claude.write("{}")
    with pytest.raises(OfframpError, match="changed by another program"):
        apply(change, claude.memory)
    assert claude.text == "{}"
    assert not claude.memory.exists()


def test_damaged_memory_is_refused_with_its_cure(claude: Claude) -> None:
    claude.write(SETTINGS)
    atomic_file.write(claude.memory, b"{", before=None)
    with pytest.raises(OfframpError, match="is damaged") as refusal:
        claude.disconnect()
    assert "Move it away" in refusal.value.hint


def test_two_folders_of_claude_code_are_remembered_apart(tmp_path: Path) -> None:
    work, home = Claude(tmp_path), Claude(tmp_path)
    home.file = tmp_path / "home" / "settings.json"
    work.write(f'{{"env": {{"ANTHROPIC_BASE_URL": "{OTHER}"}}}}')
    work.connect(force=True)
    home.connect()
    assert home.disconnect().after is None
    assert work.disconnect().outcome is ConnectOutcome.RESTORED


def test_difference_shows_the_line_and_no_secret(claude: Claude) -> None:
    lines = [
        "{",
        f'  "hooks": [{{"x-token": "{SECRET}"}}],',
        f'  "apiKeyHelper": "echo {SECRET}",',
        '  "env": {',
        f'    "ANY": "{SECRET}",',
        f'    "ANTHROPIC_BASE_URL": "https://u:{SECRET}@x.example"',
        "  }",
        "}",
    ]
    claude.write("\n".join(lines))
    change = claude.connect(force=True)
    text = unified(claude.file, change.before, change.after)
    assert f'+    "ANTHROPIC_BASE_URL": "{URL}"\n' in text
    assert '-    "ANTHROPIC_BASE_URL": "***"\n' in text
    assert '     "ANY": "***",\n' in text
    assert SECRET not in text
    assert SECRET not in str(change.old)


def places_in(tmp_path: Path) -> SettingsLocations:
    return SettingsLocations.for_user(
        {}, home=tmp_path / "home", folder=tmp_path / "project", managed=tmp_path / "managed.json"
    )


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_whatever_replaces_the_login_is_warned_of_and_never_shown(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    user = f'{{"apiKeyHelper": "{SECRET}", "env": {{"ANTHROPIC_AUTH_TOKEN": "{SECRET}"}}}}'
    put(places.local, f'{{"env": {{"ANTHROPIC_API_KEY": "{SECRET}"}}}}')
    environ = {"ANTHROPIC_API_KEY": SECRET}
    found = warnings.warnings(places, user, environ, url=URL, is_own=is_own)
    assert [text.partition(". Claude Code uses it")[0] for text in found] == [
        f"{places.user} sets ANTHROPIC_AUTH_TOKEN in its env",
        f"{places.user} sets apiKeyHelper",
        f"{places.local} sets ANTHROPIC_API_KEY in its env",
        "ANTHROPIC_API_KEY is set in this environment",
    ]
    assert SECRET not in "".join(found)


def test_stronger_settings_with_another_address_are_warned_of(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    text = f'{{"env": {{"ANTHROPIC_BASE_URL": "https://u:{SECRET}@x.example"}}}}'
    for path in (places.managed, places.local):
        put(path, text)
    put(places.project, f'{{"env": {{"ANTHROPIC_BASE_URL": "{URL}"}}}}')
    found = warnings.warnings(places, "{}", {}, url=URL, is_own=is_own)
    assert [each.partition(" sets ")[0] for each in found] == [
        f"{places.managed} (managed settings)",
        f"{places.local} (this folder's local settings)",
    ]
    assert SECRET not in "".join(found)
    left = warnings.leftovers(places, {"ANTHROPIC_BASE_URL": URL}, is_own=is_own)
    assert [str(places.project) in each for each in left] == [True, False]


def test_exported_address_that_differs_is_warned_of(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    environ = {"ANTHROPIC_BASE_URL": OTHER}
    [found] = warnings.warnings(places, "{}", environ, url=URL, is_own=is_own)
    assert OTHER in found
    environ = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:3001"}
    assert not warnings.warnings(places, "{}", environ, url=URL, is_own=is_own)


def test_broken_settings_of_others_are_passed_over(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    put(places.local, "{")
    put(places.project, "[1]")
    places.managed.write_bytes(b"\xff")
    assert not warnings.warnings(places, "{}", {}, url=URL, is_own=is_own)


def test_claude_config_dir_moves_the_users_file(tmp_path: Path) -> None:
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path / "own")}
    places = SettingsLocations.for_user(environ, home=tmp_path, folder=tmp_path)
    assert places.user == tmp_path / "own" / "settings.json"


def test_home_folder_is_no_project_of_its_own(tmp_path: Path) -> None:
    places = SettingsLocations.for_user({}, home=tmp_path, folder=tmp_path)
    assert places.project == places.user
    assert places.user not in [path for _, path in places.stronger()]


def test_managed_settings_are_where_each_system_has_them() -> None:
    assert managed_file("linux") == Path("/etc/claude-code/managed-settings.json")
    assert managed_file("darwin") == Path(
        "/Library/Application Support/ClaudeCode/managed-settings.json"
    )


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:3001"),
        ("::1", "http://localhost:3001"),
        ("LOCALHOST", "http://localhost:3001"),
        ("0.0.0.0", "http://localhost:3001"),
        ("::", "http://[::1]:3001"),
        ("127.0.0.2", "http://127.0.0.2:3001"),
        ("192.0.2.7", "http://192.0.2.7:3001"),
        ("2001:db8::1", "http://[2001:db8::1]:3001"),
    ],
)
def test_client_gets_an_address_that_leads_to_the_host(host: str, url: str) -> None:
    assert client_base_url(host=host, port=3001) == url
    assert leads_here(url, host=host, port=3001)


@pytest.mark.parametrize("url", ["", "x", "http://localhost:3002", OTHER, "http://a b:3001"])
def test_other_addresses_do_not_lead_here(url: str) -> None:
    assert not is_own(url)
