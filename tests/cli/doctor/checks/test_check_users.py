"""Who can use the port is said plainly, with what to do about it."""

from __future__ import annotations

import pytest

from offramp_cli.doctor.checks import check_users
from offramp_core.settings import Secret, Settings

TOKEN = "a-token-of-24-characters"


@pytest.mark.parametrize(
    ("settings", "knows_owners", "severities", "words"),
    [
        ({}, True, ["ok"], "Only you and root"),
        ({}, False, ["warning"], "every user"),
        ({"other_users": True}, True, ["note"], "Every user"),
        ({"other_users": True}, False, ["note"], "Every user"),
        ({"client_token": Secret(TOKEN)}, True, ["ok"], "client_token"),
        ({"client_token": Secret(TOKEN)}, False, ["ok"], "client_token"),
        ({"client_token": Secret(TOKEN), "other_users": True}, True, ["ok"], "client_token"),
        ({"allowed_origins": ("http://localhost:8000",)}, True, ["ok", "note"], "Only you"),
    ],
)
def test_state_is_named_with_the_cure(settings, knows_owners, severities, words):
    remarks = list(check_users.judge(Settings(**settings), knows_owners=knows_owners))
    assert [remark.severity.value for remark in remarks] == severities
    assert words in remarks[0].saw
    assert remarks[0].severity.value == "ok" or "client_token" in remarks[0].cure
    assert not any(TOKEN in remark.saw + remark.cure for remark in remarks)


def test_listed_web_pages_are_named():
    settings = Settings(allowed_origins=("http://localhost:8000", "tauri://localhost"))
    *_, pages = check_users.judge(settings, knows_owners=True)
    assert "http://localhost:8000, tauri://localhost" in pages.saw


def test_owners_are_known_on_this_system():
    assert check_users.knows_owners()
