"""Proxy and certificate variables in `.env`, behind the real environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offramp_core.config import proxy_variables

if TYPE_CHECKING:
    from pathlib import Path

PROXY = "http://me:c0rp@proxy.example:8080"


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    file.write_text(f"HTTPS_PROXY={PROXY}\nno_proxy=.example\nSSL_CERT_FILE=/ca.pem\nPORT=1\n")
    return file


def test_file_gives_what_the_environment_does_not(env_file: Path) -> None:
    assert proxy_variables.from_file(env_file, {}) == {
        "HTTPS_PROXY": PROXY,
        "no_proxy": ".example",
        "SSL_CERT_FILE": "/ca.pem",
    }


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["http://other:1", ""])
def test_environment_wins_in_either_case_even_where_it_says_none(env_file, name, value) -> None:
    found = proxy_variables.from_file(env_file, {name: value})
    assert found == {"no_proxy": ".example", "SSL_CERT_FILE": "/ca.pem"}


def test_lower_case_is_the_one_that_counts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HTTP_PROXY=http://upper:1\nhttp_proxy=http://lower:1\n")
    found = proxy_variables.from_file(tmp_path / ".env", {})
    assert found == {"http_proxy": "http://lower:1"}


def test_empty_line_in_the_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HTTP_PROXY=\n")
    assert proxy_variables.from_file(tmp_path / ".env", {}) == {}
    assert proxy_variables.from_file(tmp_path / "none", {}) == {}
