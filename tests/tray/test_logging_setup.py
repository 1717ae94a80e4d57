"""The tray's own log file."""

from __future__ import annotations

import logging
import re
import stat

from offramp_tray import logging_setup
from offramp_tray.logging_setup import FILE_NAME, logging_to

LOG = logging.getLogger("offramp_tray.test")


def test_messages_go_to_a_file_of_the_users_own(tmp_path):
    with logging_to(tmp_path / "logs"):
        LOG.info("The icon is there", extra={"watcher": ":1.5"})
        LOG.debug("not worth a line")
    file = tmp_path / "logs" / FILE_NAME
    [line] = file.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO offramp_tray\.test: "
        r"The icon is there watcher=':1\.5'",
        line,
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_message_is_one_line_whatever_it_holds(tmp_path):
    with logging_to(tmp_path):
        LOG.warning("first\nsecond \x1b[31m")
    text = (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    assert text.endswith("first\\nsecond \\x1b[31m\n")
    assert text.count("\n") == 1


def test_the_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(logging_setup, "MAX_FILE_BYTES", 4096)
    with logging_to(tmp_path):
        for number in range(500):
            LOG.info("message %d", number)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == [FILE_NAME, f"{FILE_NAME}.1"]
    assert all(file.stat().st_size <= 4096 for file in tmp_path.iterdir())
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / "logs").write_bytes(b"")
    with logging_to(tmp_path / "logs"):
        LOG.info("nowhere to be read")
    assert (tmp_path / "logs").read_bytes() == b""


def test_the_loggers_are_given_back(tmp_path):
    logger = logging.getLogger("offramp_tray")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with logging_to(tmp_path):
        assert logger.handlers != before[2]
    assert (logger.level, logger.propagate, logger.handlers) == before


def test_credential_in_a_message_or_a_traceback_is_masked(tmp_path):
    key = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"
    with logging_to(tmp_path):
        log = logging.getLogger("offramp_tray.test")
        log.warning("It said %s", key, extra={"why": f"Bearer {key}"})
        try:
            raise ValueError(key.replace("Z", "\\u005a"))
        except ValueError:
            log.exception("It failed")
    text = (tmp_path / FILE_NAME).read_text()
    assert "It said ***" in text
    assert "ValueError: ***" in text
    assert key[-8:] not in text
