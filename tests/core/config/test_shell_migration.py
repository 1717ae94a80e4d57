"""What only the shell knows moves to where the daemon finds it, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring_harness import NONE, FakeKeyring

from offramp_core.config import dotenv, loader, shell_migration
from offramp_core.errors import OfframpError
from offramp_core.keys import key_file
from offramp_core.keys.key_store import KeyStore
from offramp_core.paths import Paths
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef.AbCdEfGh12345678"
OTHER = "fedcba98765432100123456789abcdef.HgFeDcBa87654321"
PROXY = "http://me:c0rp-passw0rd@proxy.example:8080"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    for name, value in FakeKeyring(tmp_path, kind=NONE).variables.items():
        monkeypatch.setenv(name, value)
    return Paths.under(tmp_path / "home")


def variables(paths: Paths) -> dict[str, str]:
    return {name: each.value for name, each in dotenv.read(paths.env_file).items()}


def test_shell_that_knows_nothing_more_moves_nothing(paths: Paths) -> None:
    plan = shell_migration.plan_move(paths, {"PATH": "/bin", "HTTPS_PROXY": "", "ZAI_API_KEY": " "})
    assert (plan.is_empty, plan.sentences) == (True, ())
    assert shell_migration.apply(plan) == ()
    assert not paths.config_dir.exists()


def test_key_and_proxy_move_and_are_not_moved_again(paths: Paths) -> None:
    environ = {"ZAI_API_KEY": KEY, "https_proxy": PROXY, "NO_PROXY": ".example, 10.0.0.0/8"}
    plan = shell_migration.plan_move(paths, environ)
    assert not paths.config_dir.exists()  # a plan changes nothing
    assert len(plan.sentences) == 3
    done = shell_migration.apply(plan)
    assert len(done) == 3
    loaded = loader.load(paths, {})
    key = loaded.settings.backend("zai").key
    assert key == Secret(KEY)
    assert loaded.origins["zai_api_key"] == "key file"
    assert variables(paths) == {"https_proxy": PROXY, "NO_PROXY": ".example, 10.0.0.0/8"}
    assert paths.env_file.stat().st_mode & 0o777 == 0o600
    again = shell_migration.plan_move(paths, environ)
    assert (again.is_empty, again.sentences) == (True, ())


def test_no_text_shows_a_credential(paths: Paths) -> None:
    plan = shell_migration.plan_move(paths, {"ZAI_API_KEY": KEY, "HTTPS_PROXY": PROXY})
    said = "\n".join((*plan.sentences, repr(plan), *shell_migration.apply(plan)))
    paths.env_file.write_text(f"HTTPS_PROXY={PROXY}2\n")
    key_file.put(paths.keys_file, "zai", place="file", key=Secret(OTHER))
    plan = shell_migration.plan_move(paths, {"ZAI_API_KEY": KEY, "HTTPS_PROXY": PROXY})
    said += "\n".join(plan.sentences)
    assert "proxy.example:8080" in said
    for secret in (KEY, OTHER, "c0rp", "passw0rd"):
        assert secret not in said


def test_our_own_name_and_a_key_env_are_found_too(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.config_file.write_text(
        "[backend.third]\nbase_url = 'https://third.example'\nkey_env = 'THIRD_KEY'\n"
    )
    environ = {"OFFRAMP_ZAI_API_KEY": KEY, "THIRD_KEY": OTHER}
    shell_migration.apply(shell_migration.plan_move(paths, environ))
    settings = loader.load(paths, {}).settings
    assert settings.backend("zai").key == Secret(KEY)
    assert settings.backend("third").key == Secret(OTHER)


@pytest.mark.parametrize("place", ["config.toml", ".env", "key file"])
def test_key_that_is_set_already_stays_and_another_one_is_remarked(paths, place) -> None:
    paths.config_dir.mkdir(parents=True)
    match place:
        case "config.toml":
            paths.config_file.write_text(f'zai_api_key = "{OTHER}"')
        case ".env":
            paths.env_file.write_text(f"ZAI_API_KEY={OTHER}")
        case _:
            key_file.put(paths.keys_file, "zai", place="file", key=Secret(OTHER))
    plan = shell_migration.plan_move(paths, {"ZAI_API_KEY": KEY})
    assert plan.is_empty
    (remark,) = plan.sentences
    assert "different key for zai" in remark
    assert shell_migration.plan_move(paths, {"ZAI_API_KEY": OTHER}).sentences == ()


def test_key_in_the_keyring_stays(paths: Paths) -> None:
    key_file.put(paths.keys_file, "zai", place="keyring")
    assert shell_migration.plan_move(paths, {"ZAI_API_KEY": KEY}).sentences == ()


def test_claude_login_in_the_wrong_variable_is_not_moved(paths: Paths) -> None:
    plan = shell_migration.plan_move(paths, {"ZAI_API_KEY": "sk-ant-oat01-Xk3vP9aQw7LmZt5R"})
    assert plan.is_empty
    assert "credential for Anthropic" in plan.sentences[0]


def test_other_settings_of_the_shell_do_not_matter(paths: Paths) -> None:
    plan = shell_migration.plan_move(paths, {"ZAI_API_KEY": KEY, "PORT": "abc", "HOST": "0.0.0.0"})
    assert [move.backend for move in plan.keys] == ["zai"]


def test_key_goes_into_a_keyring_that_works(paths, tmp_path, monkeypatch) -> None:
    fake = FakeKeyring(tmp_path)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", fake.kind)
    plan = shell_migration.plan_move(paths, {"ZAI_API_KEY": KEY})
    (said,) = shell_migration.apply(plan, KeyStore(paths))
    assert "system keyring (Test keyring)" in said
    assert fake.keys() == {"zai": KEY}


def test_lines_are_added_behind_what_the_file_holds(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.env_file.write_text("# mine\nLOG_LEVEL=debug")  # no line end
    paths.env_file.chmod(0o644)
    shell_migration.apply(shell_migration.plan_move(paths, {"HTTPS_PROXY": PROXY}))
    text = paths.env_file.read_text()
    assert text.startswith("# mine\nLOG_LEVEL=debug\n")
    assert variables(paths) == {"LOG_LEVEL": "debug", "HTTPS_PROXY": PROXY}
    assert paths.env_file.stat().st_mode & 0o777 == 0o600


def test_variable_that_the_file_sets_otherwise_stays_and_is_remarked(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.env_file.write_text("https_proxy=http://other:1\n")
    plan = shell_migration.plan_move(paths, {"HTTPS_PROXY": PROXY})
    assert plan.is_empty
    assert "the daemon uses the latter" in plan.sentences[0]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", "would reach nothing"),
        ("HTTPS_PROXY", "http://a\x1b[31m:1", "control character"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "no such file"),
    ],
)
def test_what_would_harm_the_daemon_stays(paths, name, value, why) -> None:
    plan = shell_migration.plan_move(paths, {name: value})
    assert plan.is_empty
    assert why in plan.sentences[0]


def test_paths_become_absolute(paths, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "node.pem"):
        (tmp_path / name).touch()
    (tmp_path / "certs").mkdir()
    environ = {
        "SSL_CERT_FILE": "ca.pem",
        "SSL_CERT_DIR": f"certs:{tmp_path}/more",
        "NODE_EXTRA_CA_CERTS": f"{tmp_path}/node.pem",
    }
    shell_migration.apply(shell_migration.plan_move(paths, environ))
    assert variables(paths) == {
        "SSL_CERT_FILE": f"{tmp_path}/ca.pem",
        "SSL_CERT_DIR": f"{tmp_path}/certs:{tmp_path}/more",
        "NODE_EXTRA_CA_CERTS": f"{tmp_path}/node.pem",
    }


def test_file_that_can_not_be_written_is_said(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    plan = shell_migration.plan_move(paths, {"HTTPS_PROXY": PROXY})
    paths.env_file.mkdir()
    with pytest.raises(OfframpError, match="not a file"):
        shell_migration.apply(plan)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1))
def test_what_is_quoted_is_read_back(value: str) -> None:
    value = value.strip() or "x"
    read = dotenv.parse(f"NAME={shell_migration.quoted(value)}", ".env")
    assert read["NAME"].value == value
