"""Which hosts NO_PROXY spares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core import no_proxy


@pytest.mark.parametrize(
    ("value", "url", "expected"),
    [
        ("", "http://localhost:3001", False),
        ("*", "http://localhost:3001", True),
        ("localhost", "http://localhost:3001", True),
        ("LOCALHOST", "http://localhost:3001", True),
        ("127.0.0.1", "http://localhost:3001", False),
        ("a, localhost", "http://localhost:3001", True),
        ("a localhost b", "http://localhost:3001", True),
        ("localhost:3001", "http://localhost:3001", True),
        ("localhost:3002", "http://localhost:3001", False),
        ("localhost:443", "https://localhost", True),
        (".example.com", "https://api.example.com", True),
        ("example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", True),
        ("example.com", "https://notexample.com", False),
        ("::1", "http://[::1]:3001", True),
        ("[::1]", "http://[::1]:3001", True),
        ("[::1]:3001", "http://[::1]:3001", True),
        ("[::1]:3002", "http://[::1]:3001", False),
        (",,", "http://localhost", False),
        (".", "http://localhost", False),
    ],
)
def test_no_proxy_spares_what_it_names(value, url, expected):
    assert no_proxy.spares(value, url) is expected


@given(st.text(max_size=40))
def test_any_text_is_read(value):
    assert no_proxy.spares(f"{value},*", "http://localhost") is True
