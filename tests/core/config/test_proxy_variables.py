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


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HTTPS_PROXY", "http://me:c0rp-pw@p.example:8080", "http://***@p.example:8080"),
        ("HTTP_PROXY", "me:c0rp-pw@p.example:8080", "***@p.example:8080"),
        ("ALL_PROXY", "socks5h://me:c0rp@c0rp-pw@[::1]:1080", "socks5h://***@[::1]:1080"),
        ("ALL_PROXY", "socks5://me:c0rp/pw@p:1", "socks5://***@p:1"),
        ("HTTPS_PROXY", "http://c0rp-pw@p.example", "http://***@p.example"),
        ("HTTPS_PROXY", "http://p/?access_token=c0rp-pwpw", "http://p/?***"),
        ("HTTPS_PROXY", "http://p.example:8080", "http://p.example:8080"),
        ("NO_PROXY", ".a.example,10.0.0.0/8", ".a.example,10.0.0.0/8"),
        ("HTTPS_PROXY", "", ""),
        ("SSL_CERT_FILE", "/home/me@corp/ca.pem", "/home/me@corp/ca.pem"),
    ],
)
def test_value_is_shown_without_its_login(name: str, value: str, expected: str) -> None:
    assert proxy_variables.shown(name, value) == expected
    assert proxy_variables.all_shown({name: value, "ZAI_API_KEY": "c0rp"}) == {name: expected}


def test_of_two_spellings_the_stronger_is_shown() -> None:
    both = {"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower"}
    assert proxy_variables.all_shown(both) == {"HTTPS_PROXY": "http://lower"}
