"""The ways in which a service may write a key that it got: each a function from text to text."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(key: str) -> str:
    return key


def json_escaped(key: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in key)


def json_escaped_upper(key: str) -> str:
    return "".join(f"\\u{ord(character):04X}" for character in key)


def json_escaped_first(key: str) -> str:
    return f"{json_escaped(key[0])}{key[1:]}"


def json_escaped_here_and_there(key: str) -> str:
    return "".join(json_escaped(each) if at % 3 == 1 else each for at, each in enumerate(key))


def json_escaped_twice(key: str) -> str:
    return json.dumps(json_escaped(key))[1:-1]


def source_escaped(key: str) -> str:
    return "".join(f"\\x{ord(character):02x}" for character in key)


def octal_escaped(key: str) -> str:
    return "".join(f"\\{ord(character):03o}" for character in key)


def code_points(key: str) -> str:
    return "".join(f"\\u{{{ord(character):x}}}" for character in key)


def percent_encoded(key: str) -> str:
    return "".join(f"%{ord(character):02X}" for character in key)


def percent_encoded_lower(key: str) -> str:
    return percent_encoded(key).lower()


def percent_encoded_last(key: str) -> str:
    return f"{key[:-1]}{percent_encoded(key[-1])}"


def percent_encoded_twice(key: str) -> str:
    return quote(percent_encoded(key))


def decimal_references(key: str) -> str:
    return "".join(f"&#{ord(character)};" for character in key)


def hexadecimal_references(key: str) -> str:
    return "".join(f"&#x{ord(character):X};" for character in key)


def padded_references(key: str) -> str:
    return "".join(f"&#{ord(character):07d};" for character in key)


def references_twice(key: str) -> str:
    return html.escape(decimal_references(key))


def references_in_json(key: str) -> str:
    return decimal_references(key).replace("&", "\\u0026")


def percent_in_references(key: str) -> str:
    return percent_encoded(key).replace("%", "&#37;")


def base64_coded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def base64_bearer(key: str) -> str:
    return base64.b64encode(f"Bearer {key}".encode()).decode()


def base64_after_one(key: str) -> str:
    return base64.b64encode(f":{key}".encode()).decode()


def base64_after_two(key: str) -> str:
    return base64.b64encode(f"u:{key}:".encode()).decode()


def base64_of_an_address(key: str) -> str:
    return base64.urlsafe_b64encode(f"user:{key}@host".encode()).decode().rstrip("=")


def base64_in_json(key: str) -> str:
    return base64_coded(key).replace("/", "\\/").replace("=", "\\u003d")


def base64_percent_encoded(key: str) -> str:
    return quote(base64_coded(key), safe="")


def hexadecimal(key: str) -> str:
    return key.encode().hex()


def upper_case(key: str) -> str:
    return key.upper()


def all_but_the_last(key: str) -> str:
    return key[: -(len(key) // 10 or 1)]


def all_but_the_first(key: str) -> str:
    return key[len(key) // 10 or 1 :]


def with_a_middle_cut(key: str) -> str:
    half = len(key) // 2
    return f"{key[: half - 1]}...{key[half + 1 :]}"


SPELLINGS: tuple[Callable[[str], str], ...] = (
    plain,
    json_escaped,
    json_escaped_upper,
    json_escaped_first,
    json_escaped_here_and_there,
    json_escaped_twice,
    source_escaped,
    octal_escaped,
    code_points,
    percent_encoded,
    percent_encoded_lower,
    percent_encoded_last,
    percent_encoded_twice,
    decimal_references,
    hexadecimal_references,
    padded_references,
    references_twice,
    references_in_json,
    percent_in_references,
    base64_coded,
    base64_bearer,
    base64_after_one,
    base64_after_two,
    base64_of_an_address,
    base64_in_json,
    base64_percent_encoded,
    hexadecimal,
    upper_case,
    all_but_the_last,
    all_but_the_first,
    with_a_middle_cut,
)
