"""Stored keys among the settings: the weakest source, and never the reason for a failed start."""

from __future__ import annotations

import pytest
from settings_home import KEY, OTHER_KEY, SettingsHome, key_of

from offramp_core.config.loader import fingerprint, load
from offramp_core.keys import key_file
from offramp_core.settings import Secret

THIRD = "[backend.third]\nbase_url = 'https://third.example'\n"
ROUTE = "[[route]]\nmatch = 'sonnet'\nbackend = 'third'\n"


def test_stored_key_is_used_and_its_origin_given(home: SettingsHome) -> None:
    home.store()
    loaded = home.load()
    assert key_of(loaded) == KEY
    assert loaded.origins["backend.zai.key"] == loaded.origins["zai_api_key"] == "key file"
    assert (loaded.notes, loaded.keyring_marks, loaded.awaited_keys) == ((), (), ())


def test_every_setting_wins_over_a_stored_key(home: SettingsHome) -> None:
    home.store()
    home.write(f'zai_api_key = "{OTHER_KEY}1"')
    assert key_of(home.load()) == f"{OTHER_KEY}1"
    home.write(env=f"ZAI_API_KEY={OTHER_KEY}2")
    assert key_of(home.load()) == f"{OTHER_KEY}2"
    loaded = home.load(ZAI_API_KEY=f"{OTHER_KEY}3")
    assert key_of(loaded) == f"{OTHER_KEY}3"
    assert loaded.origins["backend.zai.key"] == "environment ZAI_API_KEY"


def test_key_in_the_keyring_is_awaited_until_the_caller_has_it(home: SettingsHome) -> None:
    mark = home.store(key=None)
    loaded = home.load()
    assert key_of(loaded) is None
    assert loaded.origins["backend.zai.key"] == "keyring"
    assert loaded.keyring_marks == (mark,)
    assert loaded.awaited_keys == ("zai",)
    (note,) = loaded.notes
    assert "in the system keyring" in note
    assert "requests go to Claude" in note
    loaded = home.load((mark, Secret(KEY)))
    assert key_of(loaded) == KEY
    assert (loaded.notes, loaded.awaited_keys) == ((), ())
    assert loaded.keyring_marks == (mark,)


def test_key_that_was_stored_again_is_awaited_again(home: SettingsHome) -> None:
    old = home.store(key=None)
    home.store(key=None)
    assert home.load((old, Secret(KEY))).awaited_keys == ("zai",)


def test_setting_wins_over_the_keyring_which_is_then_not_asked(home: SettingsHome) -> None:
    home.store(key=None)
    loaded = home.load(ZAI_API_KEY=OTHER_KEY)
    assert (key_of(loaded), loaded.keyring_marks) == (OTHER_KEY, ())


def test_key_env_that_is_not_set_leaves_room_for_a_stored_key(home: SettingsHome) -> None:
    home.write(f"{THIRD}key_env = 'THIRD_KEY'\n{ROUTE}")
    assert "THIRD_KEY" in home.load().notes[0]
    home.store("third")
    loaded = home.load()
    assert (key_of(loaded, "third"), loaded.notes) == (KEY, ())
    assert key_of(home.load(THIRD_KEY=OTHER_KEY), "third") == OTHER_KEY


@pytest.mark.parametrize("backend", ["anthropic", "gone", "own"])
def test_stored_key_of_a_backend_that_takes_none_is_passed_over(
    home: SettingsHome, backend: str
) -> None:
    home.write("[backend.own]\nbase_url = 'https://own.example'\nauth = 'client'\n")
    home.store(backend)
    loaded = home.load(ZAI_API_KEY=OTHER_KEY)
    assert loaded.notes == ()
    assert {b.name for b in loaded.settings.backends if b.key} == {"zai"}


@pytest.mark.parametrize("text", ["has a space in it", "häßlich", "two\nlines"])
def test_stored_text_that_is_no_key_is_left_out_with_a_note(home: SettingsHome, text: str) -> None:
    home.store(key=text)
    loaded = home.load()
    assert key_of(loaded) is None
    assert str(home.paths.keys_file) in loaded.notes[0]
    assert "offramp key set zai" in loaded.notes[0]
    assert text not in "".join(loaded.notes)


def test_key_of_the_keyring_that_is_none_is_left_out_with_a_note(home: SettingsHome) -> None:
    mark = home.store(key=None)
    loaded = home.load((mark, Secret("has a space in it")))
    assert key_of(loaded) is None
    assert "system keyring" in loaded.notes[0]
    assert loaded.awaited_keys == ("zai",)


def test_damaged_file_keeps_nothing_from_starting(home: SettingsHome) -> None:
    home.paths.config_dir.mkdir()
    home.paths.keys_file.write_text("{")
    home.paths.keys_file.chmod(0o600)
    loaded = home.load()
    assert key_of(loaded) is None
    assert "damaged" in loaded.notes[0]
    assert "no key for zai" in loaded.notes[1]
    assert "offramp key set zai" in loaded.notes[1]


def test_demo_takes_no_stored_key(home: SettingsHome) -> None:
    home.store()
    assert key_of(load(home.paths, {}, is_demo=True)) is None


def test_fingerprint_changes_with_the_key_file(home: SettingsHome) -> None:
    seen = {fingerprint(home.paths)}
    for key in (KEY, None, None):
        home.store(key=key)
        seen.add(fingerprint(home.paths))
    key_file.remove(home.paths.keys_file, "zai")
    seen.add(fingerprint(home.paths))
    assert len(seen) == 4  # the first and the last are alike: no file


def test_loaded_settings_show_no_stored_key(home: SettingsHome) -> None:
    home.store()
    assert KEY not in repr(home.load())
