"""What the form shows and what it changes, without a toolkit: values, who set them, refusals."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from offramp_core.config import loader, tier_models
from offramp_core.config.values import ConfigError
from offramp_core.services import DELEGATE
from offramp_core.wording.formatting import backend_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings

ROUTES = "route"
KEY = f"backend.{DELEGATE.name}.key"
OVERTAKEN = (
    "Another program changed this after the page was opened. Nothing was written. Close the page "
    "and open it again to see the change."
)

_ADVICE = {
    "match": "Type part of the model's name.",
    "backend": "Choose one from the list.",
    "send_model": "Type the name of a model, or leave it empty to keep the requested name.",
    "context_tokens": "Type a whole number of 1 or more, or leave it empty for no limit.",
}
"""What to do about a field of a route, where the file's words would not fit a form."""
_FILE_WORDS = re.compile(r"quotes|Remove it|\[\[|\btrue or false\b|=|\.toml")
_ROUTE_LABEL = re.compile(r"\[\[route\]\] number (\d+)(?:: (\w+))?")
_WEEK = ("week_start_day", "week_start_hour")
_MOST_PROBLEMS = 40
_DEFAULT = "default"
_FORCED = ("environment ", ".env ")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormValues:
    """The settings of the form by full name, and the variable that sets each that one does."""

    values: Mapping[str, Any]
    forced: Mapping[str, str]
    backends: tuple[str, ...]
    key_note: str
    """Whether the delegate has a key, and where it comes from; the key itself is nowhere here."""
    failover_note: str = ""
    """Whom the file names to serve what a delegate fails; empty where it is only Claude."""
    is_week_set: bool = True
    """Whether day or hour of the week are the user's; else they are learnt."""

    def changes_to(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What of `values` is another than it was, and may be changed."""
        return {
            name: value
            for name, value in values.items()
            if value != self.values[name] and name not in self.forced
        }

    def overtaken(self, changes: Mapping[str, Any], now: FormValues) -> tuple[str, ...]:
        """What of `changes` somebody else has changed too, by what holds `now`."""
        return tuple(
            name
            for name, value in changes.items()
            if name in now.forced or now.values[name] not in (self.values[name], value)
        )

    def with_changes(self, changes: Mapping[str, Any]) -> FormValues:
        """These once `changes` are written; what others wrote stays as the form shows it."""
        return replace(self, values={**self.values, **changes})


def read(paths: Paths, environ: Mapping[str, str], *, is_demo: bool = False) -> FormValues:
    """The settings as they are.

    Raises:
        ConfigError: the file is wrong as it stands, so that a form can't show it.
    """
    return of(loader.load(paths, environ, is_demo=is_demo))


def of(loaded: LoadedSettings) -> FormValues:
    """The form's part of `loaded`."""
    settings = loaded.settings
    forced = {
        name: origin.partition(" ")[2]
        for name, origin in loaded.origins.items()
        if origin.startswith(_FORCED)
    }
    return FormValues(
        values=_values(settings),
        forced=forced,
        backends=tuple(backend.name for backend in settings.backends),
        key_note=_key_note(loaded),
        failover_note=_failover_note(settings),
        is_week_set=any(loaded.origins[name] != _DEFAULT for name in _WEEK),
    )


def field_of(error: ConfigError) -> tuple[str, int, str]:
    """The field that `error` blames: its full name; for routes also the row, from 0, and the key.

    Nothing ("", -1, "") where it blames none of the form.
    """
    if found := _ROUTE_LABEL.fullmatch(error.label):
        return ROUTES, int(found[1]) - 1, found[2] or ""
    return (error.label, -1, "") if error.label else ("", -1, "")


def problems(
    check: Callable[[Mapping[str, Any]], None],
    changes: Mapping[str, Any],
    before: Mapping[str, Any],
) -> list[ConfigError]:
    """Everything that `check` refuses of `changes`, one after the other.

    The checks stop at the first problem: what it blames is put back as it was, until none is left.
    """
    found: list[ConfigError] = []
    left = dict(changes)
    while left and len(found) < _MOST_PROBLEMS:
        try:
            check(left)
        except ConfigError as error:
            found.append(error)
            if not _put_right(left, error, before):
                break
        else:
            break
    return found


def _put_right(changes: dict[str, Any], error: ConfigError, before: Mapping[str, Any]) -> bool:
    """Take what `error` blames out of `changes`; whether there was such a thing."""
    name, row, key = field_of(error)
    if name not in changes:
        return False
    if name != ROUTES:
        del changes[name]
        return True
    routes = [dict(route) for route in changes[ROUTES]]
    if not 0 <= row < len(routes):
        return False
    stand_in = {"match": f"stand-in {row}", "backend": DELEGATE.name}
    if not key or (key not in stand_in and key not in routes[row]):
        del routes[row]
    elif key in stand_in:
        if routes[row].get(key) == stand_in[key]:
            return False
        routes[row][key] = stand_in[key]
    else:
        del routes[row][key]
    changes[ROUTES] = tuple(routes)
    return True


def field_error(error: ConfigError) -> str:
    """Word `error` for its field: without the file and the key, which are seen there."""
    if not error.problem:
        return str(error)
    key = field_of(error)[2] or error.label
    advice = _ADVICE.get(key, "" if _FILE_WORDS.search(error.hint) else error.hint)
    return f"This {error.problem}. {advice}".strip()


def _values(settings: Settings) -> dict[str, Any]:
    tray = settings.tray
    return {
        "week_start_day": settings.week_start_day,
        "week_start_hour": settings.week_start_hour,
        "thinking": settings.thinking,
        "delegation": settings.delegation,
        "failover": settings.failover,
        "overflow": settings.overflow,
        "zai_quota": settings.zai_quota,
        "let_conversations_finish": settings.let_conversations_finish,
        "tray.notify_delegation": tray.notify_delegation,
        "tray.notify_key": tray.notify_key,
        "tray.notify_daemon": tray.notify_daemon,
        "tray.notify_quota": tray.notify_quota,
        ROUTES: tuple(tier_models.table_of(route) for route in settings.routes),
    }


def _failover_note(settings: Settings) -> str:
    chain = settings.failover_chain
    if isinstance(settings.failover, bool):
        return ""
    return f"In this order, by config.toml: {', '.join(map(backend_name, chain))}."


def _key_note(loaded: LoadedSettings) -> str:
    origin = loaded.origins[KEY]
    if origin.startswith(_FORCED):
        return f"Set by {origin}, which wins over a key that is stored here."
    match origin:
        case "keyring":
            return "A key is in the system keyring. A new one replaces it."
        case "key file":
            return "A key is in Offramp's key file. A new one replaces it."
        case "file":
            return "Set in config.toml, which wins over a key that is stored here."
        case _:
            return "There is no key yet, so everything goes to Claude."
