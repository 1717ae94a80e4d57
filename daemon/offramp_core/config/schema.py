"""What may be set, and how each value is read: one reader per key, no files and no environment.

Types and ranges are those that the Structs of the settings declare; what a value means beyond its
type (a host, an address, a key) is read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from offramp_core.addresses import base_url_problem, is_usable_host, normal_base_url, normal_origin
from offramp_core.config.values import Given, did_you_mean, listed, shown
from offramp_core.log_names import LONGEST_MACHINE, is_machine_name
from offramp_core.services import zai
from offramp_core.services.accepts import NEVER
from offramp_core.settings import ANTHROPIC, Backend, KeepRules, Secret, Settings, TraySettings

Reader = Callable[[Given], Any]
"""Turns a found value into the setting's own type, or raises its refusal."""

MIN_TOKEN_LENGTH = 16

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_OWN_HEADERS = "x-offramp-"


def _text(given: Given, *, example: str) -> str:
    """A line of text, stripped."""
    hint = f"Write text in quotes, such as {example}."
    if not isinstance(given.value, str):
        raise given.refused("is not text", hint=hint)
    text = given.value.strip()
    if not text:
        raise given.refused("is empty", hint=f"{hint} Remove it to use the default.")
    if not text.isprintable():
        raise given.refused("contains a control character", hint="Type it again on one line.")
    return text


def _line(example: str) -> Reader:
    return lambda given: _text(given, example=example)


def _choice(words: tuple[str, ...]) -> Reader:
    """One of these words, in any case."""

    def read(given: Given) -> str:
        word = given.value.strip().lower() if isinstance(given.value, str) else ""
        if word not in words:
            raise given.refused(
                "is not a known value",
                hint=f"Use {listed(words)}. {did_you_mean(word, words)}".strip(),
            )
        return word

    return read


def _number(declared: Any) -> Reader:
    """A number within its limits; a variable's text must be one as people write it."""
    kind, limits = get_args(declared)
    any_number = kind | int  # which may be too large for a float
    if kind is int:
        what, pattern = "a whole number", _WHOLE_NUMBER
        meaning = f" ({limits.description})" if limits.description else ""
        hint = f"Use a whole number from {limits.ge} to {limits.le}{meaning}."
    else:
        what, pattern = "a number", _NUMBER
        hint = f"Use a number of seconds above {limits.gt}, at most {limits.le}."

    def read(given: Given) -> Any:
        value = given.value
        if given.is_text and isinstance(value, str) and pattern.fullmatch(value.strip()):
            value = kind(value)
        if not _fits(value, any_number) or value != value:  # NaN
            raise given.refused(f"is not {what}", hint=hint)
        if not _fits(value, declared):
            raise given.refused("is out of range", hint=hint)
        return msgspec.convert(value, declared)

    return read


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _flag(given: Given) -> bool:
    value = given.value
    if given.is_text and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    if not isinstance(value, bool):
        raise given.refused("is not true or false", hint="Use true or false, without quotes.")
    return value


def _texts(given: Given) -> tuple[str, ...]:
    """A list of words without blanks or commas, as values of headers and names of fields are."""
    hint = 'Write a list of words in quotes, such as ["one", "two"].'
    value = given.value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise given.refused("is not a list of text", hint=hint)
    texts = tuple(item.strip() for item in value)
    for text in texts:
        if not _VISIBLE_ASCII.fullmatch(text) or "," in text:
            raise given.refused(f"contains {shown(text)}, which is not one plain word", hint=hint)
    return texts


def _failover(given: Given) -> bool | tuple[str, ...]:
    """Yes, no, or the backends to ask in their order; `backends` checks their names."""
    is_flag = isinstance(given.value, bool) or (
        given.is_text and str(given.value).strip().lower() in ("true", "false")
    )
    if is_flag:
        return _flag(given)
    if not isinstance(given.value, list):
        raise given.refused(
            "is neither true nor false, nor a list",
            hint='Use true, false, or a list such as ["kimi", "anthropic"].',
        )
    names = _texts(given)
    if not names:
        raise given.refused("is empty", hint="Write false for no failover.")
    for name in names:
        if names.count(name) > 1:
            raise given.refused(f"names {shown(name)} twice", hint="Name each backend once.")
    if ANTHROPIC in names[:-1]:
        raise given.refused(
            f"names another backend after {ANTHROPIC}",
            hint=f"Put {ANTHROPIC} last: whatever it answers is the answer.",
        )
    return names


def _texts_or_all(given: Given) -> tuple[str, ...] | str:
    """A list of words, or the one word for all there are."""
    return "all" if given.value == "all" else _texts(given)


def _accepted_fields(given: Given) -> tuple[str, ...] | str:
    names = _texts_or_all(given)
    for name in NEVER:
        if name in names:
            raise given.refused(
                f"would let the field {name} pass",
                hint="It contains your account, your device or your tokens, which never go to "
                "another service. Remove it.",
            )
    return names


def _header_names(given: Given) -> tuple[str, ...]:
    names = tuple(text.lower() for text in _texts(given))
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise given.refused(
                f"contains {shown(name)}, which is not a header's name", hint="Remove it."
            )
        if name in _CREDENTIAL_HEADERS or name.startswith(_OWN_HEADERS):
            raise given.refused(
                f"would let the header {name} pass",
                hint="Headers with your credentials never go to another service. Remove it; key "
                "or key_env sets the service's own key.",
            )
    return names


def _host_names(given: Given) -> tuple[str, ...]:
    names = tuple(text.lower().strip("[]") for text in _texts(given))
    for name in names:
        if not is_usable_host(name):
            raise given.refused(
                f"contains {shown(name)}, which is not a host name",
                hint='Use names or IP addresses without port or scheme, such as ["studio.local"].',
            )
    return names


def _origins(given: Given) -> tuple[str, ...]:
    return tuple(_origin(given, text) for text in _texts(given))


def _origin(given: Given, text: str) -> str:
    origin = normal_origin(text)
    if origin is None:
        raise given.refused(
            f"contains {shown(text)}, which is not the origin of a web page",
            hint='Use scheme, host and port, without a path, such as ["http://localhost:8000"].',
        )
    return origin


def _host(given: Given) -> str:
    host = _text(given, example='"127.0.0.1"').lower().strip("[]")
    if not is_usable_host(host):
        raise given.refused(
            "is not a host", hint="Use an IP address or a name of this machine, without a port."
        )
    return host


def _base_url(given: Given) -> str:
    url = _text(given, example='"https://api.example.com"')
    problem = base_url_problem(url)
    if problem:
        raise given.refused(
            problem, hint="Use scheme, host and, where needed, port and path: https://host/path."
        )
    return normal_base_url(url)


def _secret(given: Given) -> Secret:
    value = given.value.strip() if isinstance(given.value, str) else None
    if value is None:
        raise given.refused("is not text", hint="Write the key in quotes.")
    if not value:
        raise given.refused(
            "is empty", hint="Write the key between the quotes, or remove the line."
        )
    if not _VISIBLE_ASCII.fullmatch(value):
        raise given.refused(
            "contains a space, a control character or a letter that no key has",
            hint="Copy the key again: only the key, without Bearer before it.",
        )
    return Secret(value)


def _client_token(given: Given) -> Secret:
    token = _secret(given)
    if len(token.reveal()) < MIN_TOKEN_LENGTH:
        raise given.refused(
            f"is shorter than {MIN_TOKEN_LENGTH} characters",
            hint="Make a long random one: openssl rand -hex 24",
        )
    return token


def variable_name(given: Given) -> str:
    """Read the name that a `key_env` gives, where a key may have been put by mistake."""
    value = given.value
    if not isinstance(value, str) or not _VARIABLE_NAME.fullmatch(value.strip()):
        # Not shown: it may be the key itself.
        raise given.refused(
            "is not the name of an environment variable",
            hint="Give the name of the variable with the key, such as EXAMPLE_API_KEY; the key "
            "itself belongs in key.",
        )
    return value.strip()


def _folder(given: Given) -> Path:
    text = _text(given, example='"~/offramp-log"')
    try:
        folder = Path(text).expanduser()
    except RuntimeError:  # no such user, or no home folder
        folder = Path()
    if not folder.is_absolute():
        raise given.refused(
            "is not an absolute path",
            hint="Begin with / or ~/, since the commands may start in different folders.",
        )
    return folder


def _machine(given: Given) -> str:
    name = _text(given, example='"laptop"')
    if not is_machine_name(name):
        raise given.refused(
            "can't be part of a file's name on every system",
            hint=f"Use at most {LONGEST_MACHINE} letters (a-z, A-Z), digits, - and _, "
            'such as "laptop"; and not "conflict", by which synchronisers name copies.',
        )
    return name


_SPECIAL: Mapping[str, Reader] = {
    "host": _host,
    "client_token": _client_token,
    "allowed_hosts": _host_names,
    "allowed_origins": _origins,
    "overflow_model": _line(f'"{zai.GLM_4_7.name}"'),
    "base_url": _base_url,
    "headers": _header_names,
    "machine": _machine,
    "accept_fields": _accepted_fields,
    "failover": _failover,
    "accept_blocks": _texts_or_all,
}
"""Readers of the keys that need more than their type says."""

_BY_TYPE: Mapping[object, Reader] = {
    bool: _flag,
    tuple[str, ...]: _texts,
    Secret: _secret,
    Path: _folder,
}


def _reader(key: str, kind: Any) -> Reader:
    """The reader of a field by its name or by the type that its Struct declares."""
    if key in _SPECIAL:
        return _SPECIAL[key]
    if get_origin(kind) is UnionType:  # what may be left out
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is Literal:
        return _choice(get_args(kind))
    if get_origin(kind) is Annotated:
        return _number(kind)
    return _BY_TYPE[kind]


def _readers(struct: type[msgspec.Struct], *without: str) -> Mapping[str, Reader]:
    kinds = get_type_hints(struct, include_extras=True)
    fields = struct.__struct_fields__
    return {key: _reader(key, kinds[key]) for key in fields if key not in without}


SETTINGS = _readers(Settings, "keep_on_anthropic", "tray", "backends", "routes")
"""The top-level keys that are fields of Settings."""

KEEP = _readers(KeepRules)
"""The keys of `[keep_on_anthropic]`."""

TRAY = _readers(TraySettings)
"""The keys of `[tray]`."""

BACKEND = _readers(Backend, "name")
"""The keys of `[backend.NAME]`, without `key_env`, which leads to `key`."""

_TOKENS = Annotated[int, Meta(ge=1, le=1_000_000_000)]

ROUTE: Mapping[str, Reader] = {
    "match": _line('"sonnet"'),
    "backend": _line(f'"{zai.NAME}"'),
    "send_model": _line(f'"{zai.GLM_4_5_AIR.name}"'),
    "fallback_model": _line(f'"{zai.GLM_4_7.name}"'),
    "context_tokens": _number(_TOKENS),
    "max_output_tokens": _number(_TOKENS),
    "images": _flag,
    "documents": _flag,
    "always_thinks": _flag,
    "efforts": _texts,
}
"""The keys of `[[route]]`."""

SHORTHANDS: Mapping[str, str] = {
    "zai_api_key": "backend.zai.key",
    "zai_base_url": "backend.zai.base_url",
    "anthropic_base_url": "backend.anthropic.base_url",
}
"""Top-level keys that stand for a backend's field."""

SECRETS = frozenset({"client_token", "zai_api_key", "key", "key_env"})
"""Keys whose values no message shows; `key_env` because a key is put there by mistake."""

PLAIN_VARIABLES = frozenset(
    {
        "port",
        "host",
        "zai_api_key",
        "zai_base_url",
        "anthropic_base_url",
        "log_dir",
        "log_level",
        "week_start_day",
        "week_start_hour",
    }
)
"""Top-level keys that a variable of the bare upper-case name sets too."""

LISTS = frozenset({"allowed_hosts", "allowed_origins"})
"""Top-level keys that no variable can hold."""


def reader_for(name: str) -> Reader:
    """Find the reader of a setting by its full name: `port`, `backend.zai.key`."""
    if name in SETTINGS:
        return SETTINGS[name]
    table, _, key = name.rpartition(".")
    return {"keep_on_anthropic": KEEP, "tray": TRAY}.get(table, BACKEND)[key]
