"""The kernel's news of addresses, read as Linux and macOS write it."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys

import pytest

from offramp_daemon.upstream.network_watch import NetworkWatch, has_lost_address


def linux(*kinds: int) -> bytes:
    return b"".join(struct.pack("=IHHII5s3x", 21, kind, 0, 0, 0, b"12345") for kind in kinds)


def macos(*kinds: int) -> bytes:
    return b"".join(struct.pack("=HBB16s", 20, 5, kind, b"") for kind in kinds)


@pytest.mark.parametrize(
    ("news", "is_linux", "is_loss"),
    [
        (linux(20, 20), True, False),
        (linux(20, 21), True, True),
        (macos(0xC, 0xE), False, False),
        (macos(0xC, 0xD), False, True),
        (b"", True, False),
        (linux(20)[:3], True, False),
        (struct.pack("=IH", 0, 20), True, False),
        (struct.pack("=HBB", 0, 5, 1), False, False),
    ],
)
def test_address_that_went_is_told_from_one_that_came(news, is_linux, is_loss):
    assert has_lost_address(news, is_linux=is_linux) is is_loss


def test_watch_that_is_not_open_knows_of_no_change():
    watch = NetworkWatch()
    assert not watch.has_changed()
    watch.open()
    assert not watch.has_changed()
    watch.close()
    watch.close()
    assert not watch.has_changed()


@pytest.mark.skipif(sys.platform != "linux", reason="takes an address of Linux's away")
def test_address_that_went_is_noticed_once():
    ip = shutil.which("ip")
    if ip is None:
        pytest.skip("there is no ip command here")
    watch = NetworkWatch()
    watch.open()
    try:
        address = ("127.86.0.77/32", "dev", "lo")
        added = subprocess.run([ip, "addr", "add", *address], check=False, capture_output=True)
        if added.returncode != 0:
            pytest.skip("addresses can't be changed here")
        assert not watch.has_changed()
        subprocess.run([ip, "addr", "del", *address], check=True)
        assert watch.has_changed()
        assert not watch.has_changed()
    finally:
        watch.close()
