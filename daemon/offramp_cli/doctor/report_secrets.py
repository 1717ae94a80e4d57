"""Finds what must not be in a report: the values of credentials in this user's files and variables.

What has the shape or the name of a credential is masked wherever it stands. This finds those that
have neither, such as a proxy's password, so that they are masked by value. It reads files loosely:
one that is broken may hold a credential too. None of it is kept or sent.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_cli.doctor.context import DoctorContext

_SECRET_NAME = re.compile(
    r"key|token|secret|passw|passphrase|(?<![a-z])pass(?![a-z])|_pwd$|auth|credential|cookie|bearer"
    r"|headers|salt",
    re.IGNORECASE,
)
_PASSWORD_NAME = re.compile(
    r"secret|passw|passphrase|(?<![a-z])pass(?![a-z])|_pwd$|(?<![a-z])(?:api_?)?key$", re.IGNORECASE
)
"""A value of such a name is nothing else, however short it is."""
_NOT_SECRET_NAME = re.compile(
    r"_env$|_file$|_dir$|path$|sock$|tokens$|^auth$|^XAUTHORITY$|keyring", re.IGNORECASE
)
_ASSIGNMENT = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]*)["']?[ \t]*[=:]\s*"""
    r"""(?:(?P<mark>\"{3}|'{3})(?P<long>.*?)(?P=mark)"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>[^\s"',}\]]+))""",
    re.DOTALL,
)
"""`name = value` in TOML, `.env` and JSON."""
_LINE = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?P<name>\w+)[ \t]*=[ \t]*(?P<value>.+)$", re.MULTILINE
)
"""The same where blanks, commas and the like belong to the value."""
_LOGIN = re.compile(r"(?:^|://)(?P<login>[^\s\"']+)@")
_MOST_BYTES = 1024 * 1024
_LEAST_PLAIN = 8
"""A shorter value of a variable may be a word, such as `true`."""
_WORDS = frozenset({"true", "false", "none", "null", "auto", "prompt"})


def redactor_for(context: DoctorContext) -> Redactor:
    """Return a redactor that knows every credential that can be found."""
    redactor = Redactor()
    for value in _values(context):
        # The name of a file is in many places, and no secret.
        if not _is_path(value):
            redactor.hide(value)
    return redactor


def _values(context: DoctorContext) -> Iterator[str]:
    for secret in context.settings.secrets():
        yield secret.reveal()
    for name, value in context.environ.items():
        yield from _in_variable(name, value)
    for file in _files(context):
        for name, value in _assigned(_text(file)):
            yield from _in_variable(name, value)


def _assigned(text: str) -> Iterator[tuple[str, str]]:
    for match in _ASSIGNMENT.finditer(text):
        value = match["long"] or match["double"] or match["single"] or match["plain"] or ""
        yield match["name"], value.strip()
        yield match["name"], re.sub(r"\\(.)", r"\1", value)
    for match in _LINE.finditer(text):
        yield match["name"], match["value"].partition(" #")[0].strip(" \t\r'\"")


def _in_variable(name: str, value: str) -> Iterator[str]:
    """The credentials in a variable's value: all of it, its login, the values of its headers."""
    if name.lower().endswith("_proxy") or "://" in value:
        yield from _in_address(value)
    if _SECRET_NAME.search(name) and not _NOT_SECRET_NAME.search(name):
        is_password = _PASSWORD_NAME.search(name) is not None
        for line in re.split(r"\r?\n|\\n", value):
            if len(line) >= _LEAST_PLAIN or (is_password and line.lower() not in _WORDS):
                yield line
            word = line.partition(":")[2].strip()
            if len(word) >= _LEAST_PLAIN:
                yield word


def _in_address(address: str) -> Iterator[str]:
    """The user and the password of a login in an address, in each of their spellings."""
    for match in _LOGIN.finditer(address):
        login = match["login"].rpartition("://")[2]
        for spelling in {login, unquote(login)}:
            user, _, password = spelling.partition(":")
            yield from (spelling, password, user)
            yield base64.b64encode(spelling.encode()).decode()


def _files(context: DoctorContext) -> tuple[Path, ...]:
    places = SettingsLocations.for_user(context.environ, home=context.home, folder=context.folder)
    return (
        context.paths.env_file,
        context.paths.config_file,
        context.paths.keys_file,
        places.user,
        *(file for _, file in places.stronger()),
        places.user.with_name(".credentials.json"),
    )


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _is_path(value: str) -> bool:
    try:
        return value.startswith("/") and Path(value).exists()
    except (OSError, ValueError):
        return False
