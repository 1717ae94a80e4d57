"""Other programs get no key."""

from __future__ import annotations

import pytest

from offramp_core.child_environment import without_keys

ZAI_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"
CLAUDE_TOKEN = "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee6TiOyWpBq1VhCxMzKlDgSaFjUrwigAA"


@pytest.mark.parametrize(
    "name",
    [
        "ZAI_API_KEY",
        "OFFRAMP_ZAI_API_KEY",
        "OFFRAMP_CLIENT_TOKEN",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "db_password",
        "APIKEY",
        "MYAPIKEY",
        "OPENAI_API_KEY_2",
        "ZAI_KEYS",
        "HF_TOKENS",
        "ANTHROPIC_AUTHTOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
        "CLIENT_SECRET_VALUE",
        "PGPASSWORD",
        "MYSQL_PWD",
        "SMTP_PASS",
        "SSHPASS",
        "BORG_PASSPHRASE",
        "GITHUB_PAT",
        "NPM_CONFIG__AUTH",
        "RESTIC_PASSWORD_COMMAND",
    ],
)
def test_credential_by_name_is_left_out(name: str) -> None:
    assert without_keys({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "value",
    [
        ZAI_KEY,
        CLAUDE_TOKEN,
        f"Bearer {CLAUDE_TOKEN}",
        "x-offramp-token: thistle-99",
        "Authorization: Basic dGhpc3RsZQ==",
        "postgres://me:thistle@db.example/work",
        '{"api_key": "thistle-99"}',
    ],
)
def test_key_under_any_name_is_left_out(value: str) -> None:
    assert without_keys({"MY_PLAN": value}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "PWD",
        "OLDPWD",
        "XAUTHORITY",
        "SSH_AUTH_SOCK",
        "SSH_ASKPASS",
        "DBUS_SESSION_BUS_ADDRESS",
        "GNOME_KEYRING_CONTROL",
        "XDG_ACTIVATION_TOKEN",
        "KEYBOARD",
    ],
)
def test_what_programs_need_stays(name: str) -> None:
    assert without_keys({name: "/run/x"}) == {name: "/run/x"}


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_proxy_stays_with_its_login(name: str) -> None:
    environ = {name: "http://me:thistle@proxy.example:3128"}
    assert without_keys(environ) == environ
