"""Changes `config.toml` for its user: comments, order and whatever else is in it stay as they are.

Text in, text out; what comes out is checked as the daemon would check it before it replaces the
file. Keys have a store of their own and are not written here.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from offramp_core import atomic_file
from offramp_core.config import loader, table_editor
from offramp_core.config.text_file import read_text
from offramp_core.config.values import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from typing import TypeAlias

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths

    Scalar: TypeAlias = bool | int | float | str
    Value: TypeAlias = (
        Scalar | Sequence[str] | Sequence[Mapping[str, object]] | Mapping[str, Scalar]
    )
    Changes: TypeAlias = Mapping[str, Value | None]

_TABLE_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"


def edited(text: str, changes: Changes) -> str:
    """Set each setting of `changes` in `text`; None takes it out, so that its default applies.

    A name is as in `config.LoadedSettings.origins`: `week_start_day`, `keep_on_anthropic.images`,
    `route` (all routes, as a list of tables), `backend.NAME` (a whole table). A setting that stands
    there commented out, as in the example file, comes to stand in that place. Nothing is checked
    but that `text` is TOML.

    Raises:
        ConfigError: it is not, or has something else where a table belongs.
    """
    for name, value in changes.items():
        text = _with(text, name, value)
    return text


def save(
    paths: Paths, environ: Mapping[str, str], changes: Changes, *, is_demo: bool = False
) -> LoadedSettings:
    """Change the file, all at once; return the settings as they are from now on.

    Raises:
        ConfigError: they would be refused; its `label` says which is to blame, if it is one. The
            file is as it was.
        OfframpError: the file can't be read or written, or was changed meanwhile; the same holds.
    """
    file = paths.config_file
    before = atomic_file.read(file)
    text = read_text(file) or ""
    new = edited(text, changes)
    loaded = loader.load(paths, environ, is_demo=is_demo, file_text=new)
    if new != text:
        atomic_file.write(file, _as_in(before or b"", new), before=before)
    return loaded


def check(
    paths: Paths, environ: Mapping[str, str], changes: Changes, *, is_demo: bool = False
) -> LoadedSettings:
    """Look whether `save` would take `changes`, and return what it would; nothing is written.

    Raises:
        ConfigError: they would be refused, as by `save`.
        OfframpError: the file can't be read.
    """
    text = read_text(paths.config_file) or ""
    return loader.load(paths, environ, is_demo=is_demo, file_text=edited(text, changes))


def _as_in(before: bytes, text: str) -> bytes:
    """`text` with the line ends and the byte order mark that the file has."""
    mark = _BOM if before.startswith(_BOM) else b""
    data = text.encode()
    returns = before.count(b"\r\n")
    if returns and returns == before.count(b"\n"):
        data = data.replace(b"\n", b"\r\n")
    elif returns:
        data = _with_line_ends(before.removeprefix(mark).split(b"\n"), data.split(b"\n"))
    return mark + data


def _with_line_ends(before: list[bytes], lines: list[bytes]) -> bytes:
    """`lines`, each with the end that it has in `before`, a file in which not all are the same.

    New ones end as most systems have it.
    """
    plain = [line.removesuffix(b"\r") for line in before]
    matcher = difflib.SequenceMatcher(None, plain, lines)
    for old, new, length in matcher.get_matching_blocks():
        lines[new : new + length] = before[old : old + length]
    return b"\n".join(lines)


def _with(text: str, name: str, value: Any) -> str:
    *tables, key = name.split(".")
    document = _parsed(text)
    if tables == ["backend"]:
        there = _with_backend(text, key, value)
        if there is not None:
            return there
    if value is None:
        _remove(document, tables, key)
    elif not tables and key not in document and (there := _uncommented(text, key, value)):
        return there
    elif key == "route":
        _set_routes(document, value)
    else:
        _table(document, tables)[key] = value
    return tomlkit.dumps(document)


def _with_backend(text: str, name: str, values: Mapping[str, Any] | None) -> str | None:
    """`text` with or without a whole table; None where it has another form than usual."""
    if values is None:
        return table_editor.without_table(text, name)
    return table_editor.with_table(text, name, values)


def _parsed(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError:
        problem = "it is not valid TOML"  # the library's text may repeat the file's
    raise ConfigError(
        f"config.toml can't be changed: {problem}.",
        hint="offramp config check shows where it is wrong.",
    )


def _uncommented(text: str, key: str, value: Any) -> str | None:
    """`text` with the setting in place of its commented-out line; None where there is no such.

    Only above the first table, below which the line would belong to that.
    """
    header = _TABLE_HEADER.search(text)
    commented = re.compile(rf"^#[ \t]*{re.escape(key)}[ \t]*=.*$", re.MULTILINE)
    line = commented.search(text, 0, header.start() if header else len(text))
    if line is None or not isinstance(value, bool | int | float | str):
        return None
    new = f"{text[: line.start()]}{key} = {tomlkit.item(value).as_string()}{text[line.end() :]}"
    # What looks like a comment may be a line within a long text.
    is_right = _parsed(new).unwrap() == {**_parsed(text).unwrap(), key: value}
    return new if is_right else None


def _table(document: tomlkit.TOMLDocument, names: Sequence[str]) -> MutableMapping[str, Any]:
    """The table of that name, made where it is missing."""
    table: MutableMapping[str, Any] = document
    for depth, name in enumerate(names, start=1):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=depth < len(names))
        found = table[name]
        if not isinstance(found, dict):
            raise ConfigError(
                f"config.toml can't be changed: {name} is not a table.",
                hint="offramp config check shows what to do about it.",
            )
        table = found
    return table


def _remove(document: tomlkit.TOMLDocument, tables: Sequence[str], key: str) -> None:
    table: Any = document
    for name in tables:
        table = table.get(name) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table.pop(key, None)


def _set_routes(document: tomlkit.TOMLDocument, routes: Sequence[Mapping[str, object]]) -> None:
    """Let `routes` be all there are; a table whose `match` stays is kept, its comments too."""
    present = document.get("route")
    old = list(present.body) if isinstance(present, AoT) else []
    new = [_route(route, old) for route in routes]
    if isinstance(present, AoT) and _are_same(present.body, new):
        return
    if not new:
        document["route"] = []  # none at all, where no key would mean the default ones
        return
    if present is not None:
        # Put again, behind everything: what stands between routes of old must not tear them apart.
        document.remove("route")
    tables = tomlkit.aot()
    for table in new:
        tables.append(table)
    document.append("route", tables)


def _route(route: Mapping[str, object], old: list[Table]) -> Table:
    """The table of `route`: one of `old`, which it leaves, or a new one."""
    match = str(route["match"])
    table = next((each for each in old if str(each.get("match")) == match), None)
    if table is None:
        table = tomlkit.table()
    else:
        old.remove(table)
    for key in [key for key in table if route.get(key) is None]:
        table.remove(key)
    for key, value in route.items():
        if value is not None and table.get(key) != value:
            table[key] = value
    return table


def _are_same(before: Sequence[Table], after: Sequence[Table]) -> bool:
    return len(before) == len(after) and all(
        one is other for one, other in zip(before, after, strict=True)
    )
