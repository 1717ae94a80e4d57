"""The settings file that a user begins with."""

from __future__ import annotations

import stat
import tomllib

import pytest

from offramp_core.config import example
from offramp_core.errors import OfframpError


def test_a_missing_file_is_made_for_its_user_alone(tmp_path):
    file = tmp_path / "new" / "config.toml"
    assert example.create_if_missing(file)
    assert file.read_text(encoding="utf-8") == example.text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_that_is_there_is_left_alone(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("port = 4001\n", encoding="utf-8")
    assert not example.create_if_missing(file)
    assert file.read_text(encoding="utf-8") == "port = 4001\n"


def test_the_example_changes_no_setting():
    assert tomllib.loads(example.text()) == {}


def test_a_file_that_cannot_be_made_is_named_with_the_reason(tmp_path):
    (tmp_path / "config").write_text("a file where the folder belongs", encoding="utf-8")
    with pytest.raises(OfframpError, match=r"config\.toml can't be created: ") as raised:
        example.create_if_missing(tmp_path / "config" / "config.toml")
    assert raised.value.hint
