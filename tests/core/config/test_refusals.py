"""What is refused, that the words help, and that no secret is in them."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

import pytest
from privileges import without_root

from offramp_core.config.loader import ConfigError, load
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-very-secret-0123456789"


def refusal(root: Path, *, toml: str | bytes = "", env: str = "", **environ: str) -> ConfigError:
    """The error that these settings give; no traceback of it may show the secret."""
    paths = Paths.under(root)
    paths.config_dir.mkdir(parents=True, exist_ok=True)
    data = toml.encode() if isinstance(toml, str) else toml
    paths.config_file.write_bytes(data)
    paths.env_file.write_text(env, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(paths, environ)
    shown = "".join(traceback.format_exception(caught.value, chain=True))
    assert SECRET not in shown + repr(caught.value.__context__)
    assert caught.value.hint
    return caught.value


BACKEND = '[backend.mine]\nbase_url = "https://x.example"\n'


@pytest.mark.parametrize(
    ("toml", "title", "hint"),
    [
        ("prot = 1", "unknown key prot", "Did you mean port?"),
        ("zzzzzzzz = 1", "unknown key zzzzzzzz", "allowed_hosts"),
        ("[backends.zai]", "unknown key backends", "Did you mean backend?"),
        ("[routes]", "unknown key routes", "Did you mean route?"),
        ("[keep_on_anthropic]\nimage = true", "unknown key image in keep_on", "mean images?"),
        ("[backend.zai]\nbase_ur = 1", "unknown key base_ur in backend.zai", "mean base_url?"),
        ('[[route]]\nmatsh = "x"', "unknown key matsh in [[route]] number 1", "mean match?"),
        ('port = "3001"', "port = '3001' is not a whole number", "1 to 65535"),
        ("let_conversations_finish = 1", "let_conversations_finish = 1 is not true", "or false"),
        ("port = true", "port = true is not a whole number", "1 to 65535"),
        ("port = 3001.0", "port = 3001.0 is not a whole number", "1 to 65535"),
        ("port = 0", "port = 0 is out of range", "1 to 65535"),
        ("port = 65536", "port = 65536 is out of range", "1 to 65535"),
        ("port = 0x" + "f" * 5000, "port = a huge number is out of range", "1 to 65535"),
        ("port = {a = 1}", "port (a table) is not a whole number", "1 to 65535"),
        ("port = 2026-01-01", "port = a date is not a whole number", "1 to 65535"),
        ("week_start_day = 7", "week_start_day = 7", "0 is Sunday"),
        ("week_start_day = -1", "week_start_day = -1", "0 to 6"),
        ("week_start_hour = 24", "week_start_hour = 24", "0 to 23"),
        ("connect_timeout_s = 0", "connect_timeout_s = 0 is out of range", "above 0"),
        ("connect_timeout_s = -1.5", "connect_timeout_s = -1.5", "above 0"),
        ("silence_timeout_s = nan", "silence_timeout_s = nan is not a number", "seconds"),
        ("silence_timeout_s = inf", "silence_timeout_s = inf is out of range", "604800"),
        ("silence_timeout_s = -inf", "silence_timeout_s = -inf is out of range", "above 0"),
        ("drain_timeout_s = true", "drain_timeout_s = true is not a number", "seconds"),
        ("drain_timeout_s = 0x" + "f" * 999, "drain_timeout_s = a huge number", "604800"),
        ("max_body_bytes = 0", "max_body_bytes = 0 is out of range", "from 1"),
        ('log_level = "warning"', "log_level = 'warning'", "Did you mean warn?"),
        ("log_level = 1", "log_level = 1", "debug, info, warn or error"),
        ('thinking = "yes"', "thinking = 'yes'", "own or strip"),
        ('host = ""', "host = '' is empty", "127.0.0.1"),
        ('host = "http://x"', "host = 'http://x' is not a host", "without a port"),
        ('host = "300.1.1.1"', "host = '300.1.1.1' is not a host", "IP address"),
        ('host = "127.0.0.256"', "host = '127.0.0.256' is not a host", "IP address"),
        ('host = "nope"', "host = 'nope' is not an IP address", "127.0.0.1"),
        ('host = "studio.local"', "if it is a name of this machine, it can be reached", "token"),
        ('host = "0.0.0.0"', "host = '0.0.0.0' can be reached from other machines", "token"),
        ('host = "1:2"', "host = '1:2' is not a host", "without a port"),
        ('allowed_hosts = "x"', "allowed_hosts = 'x' is not a list", '["one", "two"]'),
        ('allowed_hosts = ["x:1"]', "allowed_hosts (an array) contains 'x:1'", "without port"),
        (
            'allowed_origins = ["localhost:8000"]',
            "contains 'localhost:8000'",
            "http://localhost:8000",
        ),
        ('allowed_origins = ["http://a/app"]', "not the origin of a web page", "without a path"),
        ('allowed_origins = ["http://a:0"]', "not the origin of a web page", "scheme"),
        ('allowed_origins = ["null"]', "not the origin of a web page", "scheme"),
        ('allowed_origins = ["http://*"]', "not the origin of a web page", "scheme"),
        ('other_users = "yes"', "is not true or false", "without quotes"),
        ("allowed_hosts = [1]", "allowed_hosts (an array) is not a list of text", "quotes"),
        ('anthropic_base_url = "http://evil.example"', "unencrypted to another", "plain_http"),
        ('zai_base_url = "HTTP://10.0.0.7:80/api"', "unencrypted to another", "plain_http"),
        ('[backend.mine]\nbase_url = "http://192.168.1.2"', "unencrypted to another", "plain_http"),
        ('log_dir = "logs"', "log_dir = 'logs' is not an absolute path", "Begin with /"),
        ('log_dir = "~nobody-here-x/l"', "log_dir = '~nobody-here-x/l'", "Begin with /"),
        ('log_dir = "/a\\u0000b"', "contains a control character", "one line"),
        *(
            (f'machine = "{name}"', f"machine = '{name}' can't be part of a file's", "such as")
            for name in ("a/b", "..", "a.b", "my laptop", "b\u00fcro", "-x", "x" * 33, "a-conflict")
        ),
        ("machine = 7", "machine = 7 is not text", "laptop"),
        ("[keep_on_anthropic]\nimages = 1", "keep_on_anthropic.images = 1", "without quotes"),
        ("keep_on_anthropic = true", "keep_on_anthropic is not a table", "[keep_on_anthropic]"),
        ("backend = 1", "backend is not a table", "[backend]"),
        ("backend.zai = 1", "backend.zai is not a table", "[backend.zai]"),
        ("[backend.Mine]", "[backend.Mine] is not a valid name", "lower-case"),
        ('[backend."a b"]', "[backend.'a b'] is not a valid name", "lower-case"),
        ("[backend.mine]", "[backend.mine] has no base_url", "base_url = "),
        ('[backend.anthropic]\nauth = "bearer"', "backend.anthropic.auth", "user's own plan"),
        ('[backend.anthropic]\nauth = "x-api-key"', "own credentials", "another name"),
        ('[backend.anthropic]\nkey = "abc"', "backend.anthropic.key is a key for", "Remove it."),
        (BACKEND + 'auth = "client"\nkey = "abc"', "is a key for mine", 'set auth to "x-api-key"'),
        ('[backend.zai]\nauth = "client"', "client's credentials to Z.ai", '"bearer"'),
        (
            '[backend.zai]\nauth = "basic"',
            "backend.zai.auth = 'basic'",
            "client, bearer, x-api-key or none",
        ),
        (BACKEND + 'headers = ["Authorization"]', "let the header authorization pass", "key_env"),
        (BACKEND + 'headers = ["x-api-key"]', "let the header x-api-key pass", "credentials"),
        (BACKEND + 'headers = ["COOKIE"]', "let the header cookie pass", "credentials"),
        (BACKEND + 'headers = ["proxy-authorization"]', "proxy-authorization", "credentials"),
        (BACKEND + 'headers = ["X-Offramp-Token"]', "x-offramp-token", "credentials"),
        (BACKEND + 'headers = ["a:b"]', "contains 'a:b', which is not a header", "Remove it"),
        (BACKEND + 'betas = ["a b"]', "contains 'a b', which is not one", "list of words"),
        (BACKEND + 'drop_fields = [""]', "contains '', which", "list of words"),
        (BACKEND + 'accept_fields = ["metadata"]', "let the field metadata pass", "account"),
        (BACKEND + 'accept_fields = ["mcp_servers"]', "field mcp_servers pass", "tokens"),
        (BACKEND + 'accept_blocks = "some"', "is not a list of text", "list of words"),
        (
            BACKEND + 'key_env = "MY-KEY"',
            "is not the name of an environment variable",
            "belongs in key",
        ),
        (BACKEND + 'key = "a"\nkey_env = "B"', "key_env sets the same as", "Keep one"),
        (
            'zai_base_url = "https://a.example"\n[backend.zai]\nbase_url = "https://a.example"',
            "backend.zai.base_url = 'https://a.example' sets the same as zai_base_url",
            "Keep one",
        ),
        (
            f'zai_api_key = "{SECRET}"\n[backend.zai]\nkey = "{SECRET}"',
            "backend.zai.key sets the same as zai_api_key",
            "Keep one",
        ),
        ('route = "zai"', "route is not a list of tables", "[[route]]"),
        ('[route]\nmatch = "x"', "route is not a list of tables", "[[route]]"),
        ('[[route]]\nmatch = "x"', "[[route]] number 1 has no backend", "needs match"),
        ('[[route]]\nbackend = "zai"', "[[route]] number 1 has no match", "needs match"),
        ('[[route]]\nmatch = " "\nbackend = "zai"', "match = ' ' is empty", '"sonnet"'),
        ('[[route]]\nmatch = "x"\nbackend = "zia"', "'zia' is not a backend", "mean zai?"),
        (
            '[[route]]\nmatch = "x"\nbackend = "qqqqqq"',
            "[[route]] number 1: backend = 'qqqqqq' is not a backend",
            "Use anthropic or zai. Or add a table",
        ),
        (
            '[[route]]\nmatch = "x"\nbackend = "zai"\ncontext_tokens = 0',
            "context_tokens = 0 is out of range",
            "from 1",
        ),
        (
            '[[route]]\nmatch = "x"\nbackend = "anthropic"\nsend_model = "y"',
            "send_model = 'y' would change a request to anthropic",
            "unchanged",
        ),
    ],
)
def test_wrong_value_in_the_file_is_refused_with_file_key_value_and_cure(
    tmp_path: Path, toml: str, title: str, hint: str
) -> None:
    error = refusal(tmp_path, toml=toml)
    assert error.title.startswith(str(tmp_path / "config" / "config.toml"))
    assert title in error.title
    assert hint in error.hint


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("localhost:3001", "is not an http:// or https:// address"),
        ("ftp://x.example", "is not an http:// or https:// address"),
        ("//x.example", "is not an http:// or https:// address"),
        ("https://", "has no usable host"),
        ("https:///path", "has no usable host"),
        ("https://a b.example", "has no usable host"),
        ("https://a..example", "has no usable host"),
        ("https://[::1", "has no usable host"),
        ("https://300.1.1.1", "has no usable host"),
        ("https://1.2.3.4.5:8080/v1", "has no usable host"),
        ("https://[nonsense]", "has no usable host"),
        ("https://[1.2.3.4]", "has no usable host"),
        ("https://::1", "has no usable host"),
        ("https://bücher.example", "has no usable host"),
        ("https://x\\@y.example", "contains a user name or a password"),
        ("https://x.example\\evil", "has no usable host"),
        ("https://x.example:", "has a port"),
        ("https://x.example:0", "has a port"),
        ("https://x.example:65536", "has a port"),
        ("https://x.example:\uff13001", "has a port"),
        ("https://x.example:1/a b", "has a path"),
        ("https://x.example/a/../b", "has a path"),
        ("https://x.example/ü", "has a path"),
        (f"https://x.example/?key={SECRET}", "has a query or a fragment"),
        ("https://x.example/#", "has a query or a fragment"),
        (f"https://me:{SECRET}@x.example", "contains a user name or a password"),
        (f"https://me:{SECRET}/@x.example", "contains a user name or a password"),
    ],
)
def test_address_that_is_no_base_url_is_refused(tmp_path: Path, address: str, problem: str) -> None:
    error = refusal(tmp_path, ZAI_BASE_URL=address)
    assert error.title.startswith("environment: ZAI_BASE_URL = ")
    assert problem in error.title
    assert "https://host/path" in error.hint


@pytest.mark.parametrize(
    ("variable", "value", "title"),
    [
        ("PORT", "http", "PORT = 'http' is not a whole number"),
        ("PORT", "3_001", "PORT = '3_001' is not a whole number"),
        ("PORT", "\uff13\uff10\uff10\uff11", "is not a whole number"),
        ("OFFRAMP_PORT", "0", "OFFRAMP_PORT = '0' is out of range"),
        ("PORT", "9" * 5000, "is not a whole number"),
        ("OFFRAMP_SILENCE_TIMEOUT_S", "nan", "is not a number"),
        ("OFFRAMP_SILENCE_TIMEOUT_S", "1e999", "is out of range"),
        ("OFFRAMP_SILENCE_TIMEOUT_S", SECRET, "= '***' is not a number"),
        ("LOG_LEVEL", SECRET, "= '***' is not a known value"),
        ("WEEK_START_DAY", "thursday", "WEEK_START_DAY = 'thursday'"),
    ],
)
def test_wrong_variable_is_refused_with_its_name(
    tmp_path: Path, variable: str, value: str, title: str
) -> None:
    error = refusal(tmp_path, **{variable: value})
    assert title in error.title
    own = "" if variable.startswith("OFFRAMP_") else f"OFFRAMP_{variable}"
    assert own in error.hint


def test_wrong_value_in_the_env_file_names_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, env="# my settings\n\nPORT=none\n")
    assert f"{tmp_path / 'config' / '.env'} line 3: PORT = 'none'" in error.title


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (f'"{SECRET} x"', "contains a space"),
        (f'"Bearer {SECRET}"', "contains a space"),
        (f'"{SECRET}\\u0007"', "a control character"),
        (f'"{SECRET}\\nx"', "a control character"),
        (f'"{SECRET}ü"', "a letter that no key has"),
        ('""', "is empty"),
        ("12345", "is not text"),
        (f'["{SECRET}"]', "is not text"),
        (f'{{ key = "{SECRET}" }}', "is not text"),
    ],
)
@pytest.mark.parametrize("name", ["zai_api_key", "backend.zai.key", "client_token"])
def test_key_that_can_not_be_one_is_refused_without_showing_it(
    tmp_path: Path, key: str, problem: str, name: str
) -> None:
    error = refusal(tmp_path, toml=f"{name} = {key}")
    assert f"config.toml: {name} " in error.title
    assert problem in error.title


def test_short_client_token_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, toml='host = "0.0.0.0"\nclient_token = "fifteen-letters"')
    assert "client_token is shorter than 16 characters" in error.title
    assert "fifteen" not in str(error)


@pytest.mark.parametrize(
    "toml",
    [
        f'zai_api_kee = "{SECRET}"',
        f'backend = "{SECRET}"',
        f'backend.zai = "{SECRET}"',
        f'[backend.zai]\napi_key = "{SECRET}"',
        f'[backend.zai]\nkey_env = "{SECRET}"',
        f'route = "{SECRET}"',
        f'{SECRET} = "x"',
        f'[backend."{SECRET} "]',
        f'log_level = "{SECRET}"',
        f"zai_api_key = {SECRET}",
        f'zai_api_key = "{SECRET}',
        f'zai_api_key = "{SECRET}"\nzai_api_key = "{SECRET}"',
        f"a = {{ {SECRET} = 1, {SECRET} = 1 }}",
        f"[{SECRET}]\n[{SECRET}]",
        f'zai_base_url = "https://{SECRET}@x.example"',
    ],
)
def test_key_in_a_wrong_place_is_not_shown(tmp_path: Path, toml: str) -> None:
    refusal(tmp_path, toml=toml)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"ZAI_API_KEY {SECRET}", "does not have the form NAME=value"),
        (SECRET, "does not have the form NAME=value"),
        (f"ZAI-API-KEY={SECRET}", "does not have the form NAME=value"),
        (f"ZAI_API_KEY='{SECRET}", "the quotes around the value of ZAI_API_KEY"),
        (f'ZAI_API_KEY="{SECRET}" x', "the quotes around the value of ZAI_API_KEY"),
        (f"ZAI_API_KEY={SECRET} {SECRET}", "ZAI_API_KEY contains a space"),
        (f"OFFRAMP_ZAI_KEY={SECRET}", "OFFRAMP_ZAI_KEY can't be set here"),
        (f"OFFRAMP_HOME={SECRET}", "OFFRAMP_HOME can't be set here"),
    ],
)
def test_wrong_line_in_the_env_file_is_named_but_not_shown(
    tmp_path: Path, line: str, problem: str
) -> None:
    error = refusal(tmp_path, env=f"\n{line}\n")
    assert f"{tmp_path / 'config' / '.env'} line 2" in error.title
    assert problem in error.title


@pytest.mark.parametrize(
    ("toml", "title"),
    [
        ("port = 1\nport = ", "line 2, the end: invalid value"),
        ("port 3001", "line 1"),
        ("port = 1\nport = ?\n", "line 2, column 8: invalid value"),
        ('port = "', "line 1, the end: unterminated string"),
        ("[backend.zai]\n[backend.zai]", "line 2"),
        (f"port = {'1' * 5000}", "too many digits"),
        (f"port = {'[' * 5000}", "brackets too deep"),
    ],
)
def test_broken_toml_is_refused_with_its_line(tmp_path: Path, toml: str, title: str) -> None:
    error = refusal(tmp_path, toml=toml)
    assert "is not valid TOML" in error.title
    assert title in error.title
    assert error.__context__ is None


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, toml=b'zai_api_key = "\xff' + SECRET.encode() + b'"')
    assert "is not UTF-8" in error.title
    assert error.__context__ is None


def test_far_too_large_file_is_refused(tmp_path: Path) -> None:
    assert "larger than 1 MiB" in refusal(tmp_path, toml="#" * 1_100_000).title


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_file.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"config\.toml is not a file"):
        load(paths, {})


def test_pipe_in_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir(parents=True)
    os.mkfifo(paths.env_file)
    with pytest.raises(ConfigError, match=r"\.env is not a file"):
        load(paths, {})


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir(parents=True)
    paths.config_file.touch(mode=0)
    with (
        without_root(),
        pytest.raises(ConfigError, match="can't be read: Permission denied"),
    ):
        load(paths, {})


def test_path_that_can_not_be_followed_is_refused(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir(parents=True)
    paths.config_file.symlink_to(paths.config_file)
    with pytest.raises(ConfigError, match=r"config\.toml can't be read"):
        load(paths, {})


def test_wrong_value_in_the_file_is_refused_though_the_environment_wins(tmp_path: Path) -> None:
    assert "port = 0" in refusal(tmp_path, toml="port = 0", PORT="4000").title
