"""The menu, from top to bottom: a pure function of the state.

A row's key is its name for good. Rows that have nothing to say are there but not visible, so that
all others keep their place.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from offramp_core import __version__
from offramp_core.services import SERVICES
from offramp_core.wording import quota_text
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Presence
from offramp_tray.view import choice_rows, wording
from offramp_tray.view.view_model import MenuRow, RowKind

if TYPE_CHECKING:
    from offramp_core.quota.windows import PlanQuota
    from offramp_core.usage.aggregation import Totals
    from offramp_tray.state.tray_state import TrayState

PAUSE: Final = "pause"
PAUSE_HOUR: Final = "pause.hour"
PAUSE_TOMORROW: Final = "pause.tomorrow"
PAUSE_RESET: Final = "pause.reset"
CHARTS: Final = "charts"
COPY: Final = "copy"
SETTINGS: Final = "settings"
SETUP: Final = "setup"
LOGS: Final = "logs"
LOGIN: Final = "login"
DAEMON: Final = "daemon"
QUIT: Final = "quit"
SAID: Final = "said."
"""How the keys of the rows begin that say what came of an action; a click takes them away."""

_WITH_QUOTA = frozenset(service.name for service in SERVICES if service.tells_quota)
"""Whose plans are known to tell; of a backend of the user's own nothing is to be expected."""

_PAGES = {
    **dict.fromkeys(("headline", "backend", "delegation", "client"), "overview"),
    "quota": "quota",
    **dict.fromkeys(("bypass", "why", "cure", "waiting", "trouble", "fallback"), "requests"),
    "error": "requests",
}
"""By the first part of a row's key."""

_MOST_TROUBLES = 3
_MOST_FALLBACKS = 2
"""More would push everything else off the screen."""

_MOST_PROBLEMS = 4
_MOST_LINES = 5
_MOST_FACT_LINES = 3
_LINE_LETTERS = 72
"""More would make the menu wider than a small screen has room for beside its windows."""

_COMPANIES = " or ".join(service.company for service in SERVICES)

ABOUT: Final = {
    "about.version": f"Offramp {__version__}",
    "about.licence": "MIT licence",
    "about.note": f"Not affiliated with {_COMPANIES}",
}
"""What there is to say about the program, by the keys of its rows; a click copies it."""

_COPY_TEXT = "Copy terminal command for Claude Code"


def page_of(key: str) -> str | None:
    """The page of the charts window that has more about a row that says something."""
    kind = key.partition(".")[0]
    return _PAGES.get(kind)


def is_about_key(key: str, state: TrayState) -> bool:
    """Whether that row says of a key that it is missing or refused."""
    kind, _, rest = key.partition(".")
    place = rest.partition(".")[0]
    return kind == "error" and wording.is_key_problem(int(place) if place.isdigit() else 0, state)


def rows(state: TrayState) -> tuple[MenuRow, ...]:
    """Every row."""
    return (
        *_fact_rows("headline", wording.headline(state)),
        *_backend_rows(state),
        *_quota_rows(state),
        *_fact_rows("delegation", wording.delegation_why(state)),
        *_standing_rows(state),
        *_trouble_rows(state),
        *_problem_rows(state),
        *_said_rows(state),
        _separator("1"),
        *_pause_rows(state),
        *choice_rows.rows(state),
        _separator("2"),
        _action(CHARTS, _with_charts("Open charts…", state), state),
        _action(COPY, f"{_COPY_TEXT}{' (copied)' if state.is_copied else ''}", state),
        _action(SETTINGS, "Open settings…", state),
        _action(SETUP, _with_charts("Set up Offramp…", state), state),
        _action(LOGS, "Open log folder", state),
        _separator("3"),
        _login_row(state),
        _daemon_row(state),
        _separator("4"),
        _about(),
        MenuRow(key=QUIT, kind=RowKind.ACTION, text=_quit_text(state)),
    )


def _backend_rows(state: TrayState) -> tuple[MenuRow, ...]:
    return tuple(
        _text(f"backend.{name}", wording.backend_line(name, _totals(state, name)))
        for name in tray_state.shown_backends(state)
    )


def _totals(state: TrayState, name: str) -> Totals | None:
    """A backend's week: nothing sent is a zero that is known."""
    week = tray_state.current_week(state)
    return None if week is None else week.by_backend.get(name, tray_state.NOTHING)


def _quota_rows(state: TrayState) -> tuple[MenuRow, ...]:
    """One row for each window that is known of, and one for each plan that told none."""
    rows = []
    for name in tray_state.shown_backends(state):
        if name not in state.backends:
            continue
        plan, windows = tray_state.plan_of(state, name), tray_state.shown_windows(state, name)
        rows += [
            _text(f"quota.{name}.{window.name}", wording.quota_line(name, window, state))
            for window in windows
        ]
        if not windows and (plan is not None or name in _WITH_QUOTA):
            rows.append(_text(f"quota.{name}", _unknown_text(name, plan)))
    return tuple(rows)


def _unknown_text(backend: str, plan: PlanQuota | None) -> str:
    if plan is not None and plan.windows:
        return quota_text.refilled_text(backend)
    return quota_text.unknown_text(backend, None if plan is None else plan.problem)


def _standing_rows(state: TrayState) -> tuple[MenuRow, ...]:
    """Where another backend steps in, and what waits: seen only while it is so."""
    bypasses, waits = wording.bypass_lines(state), wording.waiting_lines(state)
    whys, cures = wording.bypass_reasons(state), wording.bypass_cures(state)
    kinds = (("bypass", bypasses), ("why", whys), ("cure", cures), ("waiting", waits))
    return tuple(
        row
        for name in state.backends
        for what, lines in kinds
        for row in _fact_rows(f"{what}.{name}", lines.get(name, ""))
    )


def _trouble_rows(state: TrayState) -> tuple[MenuRow, ...]:
    """What keeps requests from being delegated, each with its cure below; mostly not seen."""
    lines = wording.trouble_lines(state)
    rows: list[MenuRow] = []
    for place in range(_MOST_TROUBLES):
        cause, cure = lines[place] if place < len(lines) else ("", "")
        rows += _fact_rows(f"trouble.{place}", cause)
        rows += _fact_rows(f"trouble.{place}.cure", cure)
    more = len(lines) - _MOST_TROUBLES
    rows.append(_optional_text("trouble.more", f"{more} more: offramp status" if more > 0 else ""))
    left, cure = wording.client_lines(state)
    fallbacks = wording.fallback_lines(state)
    return (
        *rows,
        _optional_text("client", left),
        *_fact_rows("client.cure", cure),
        *(
            row
            for place in range(_MOST_FALLBACKS)
            for row in _fact_rows(f"fallback.{place}", "".join(fallbacks[place : place + 1]))
        ),
    )


def _problem_rows(state: TrayState) -> tuple[MenuRow, ...]:
    """What is wrong, the most important first."""
    lines = wording.problems(state)
    keys = ("error", *(f"error.{place}" for place in range(1, _MOST_PROBLEMS)))
    return tuple(
        row
        for place, key in enumerate(keys)
        for row in _fact_rows(key, "".join(lines[place : place + 1]))
    )


def _said_rows(state: TrayState) -> tuple[MenuRow, ...]:
    """What came of the last action: gone with the next one, or some minutes after it was seen."""
    is_said = tray_state.is_said(state)
    texts = (("refusal", state.refusal), ("cure", state.refusal_cure), ("note", state.notes))
    return tuple(
        row for key, text in texts for row in _wrapped_rows(f"{SAID}{key}", text if is_said else "")
    )


def _wrapped_rows(key: str, text: str) -> tuple[MenuRow, ...]:
    """A text of several sentences, which a notification may have been unable to show."""
    lines = _wrapped(text, _MOST_LINES)
    return tuple(_optional_text(f"{key}.{place}", line) for place, line in enumerate(lines))


def _fact_rows(key: str, text: str) -> tuple[MenuRow, ...]:
    """A sentence, which goes on in rows of its own where it is long."""
    first, *others = _wrapped(text, _MOST_FACT_LINES)
    more = (_optional_text(f"{key}.more{n}", line) for n, line in enumerate(others, start=1))
    return (_optional_text(key, first), *more)


def _wrapped(text: str, most: int) -> list[str]:
    """The text in exactly `most` lines; those that it does not need are empty."""
    if len(text) <= _LINE_LETTERS:
        return [text] + [""] * (most - 1)
    # The state and the split begin a line each, and neither pushes the other out.
    first, _, second = text.partition(wording.BETWEEN)
    lines = _broken(first, most - bool(second))
    lines += _broken(second, most - len(lines))
    return lines + [""] * (most - len(lines))


def _broken(text: str, most: int) -> list[str]:
    return textwrap.wrap(
        text, _LINE_LETTERS, max_lines=most, placeholder="…", break_on_hyphens=False
    )


def _pause_rows(state: TrayState) -> tuple[MenuRow, ...]:
    can_pause = state.presence is Presence.RUNNING
    reset = wording.moment(state.boundary.week_of(state.now).end, state)
    tomorrow = wording.moment(wording.tomorrow(state), state)
    return (
        MenuRow(
            key=PAUSE,
            kind=RowKind.CHECK,
            text=_busy("Pause delegation", PAUSE, state),
            is_enabled=can_pause,
            is_checked=tray_state.is_paused(state),
        ),
        MenuRow(
            key="pause_for",
            kind=RowKind.SUBMENU,
            text="Pause for",
            is_enabled=can_pause,
            rows=(
                _action(PAUSE_HOUR, "1 hour", state),
                _action(PAUSE_TOMORROW, f"Until tomorrow ({tomorrow})", state),
                _action(PAUSE_RESET, f"Until the week resets ({reset})", state),
            ),
        ),
    )


def _login_row(state: TrayState) -> MenuRow:
    return MenuRow(
        key=LOGIN,
        kind=RowKind.CHECK,
        text=_busy("Start the tray at login", LOGIN, state),
        is_checked=bool(state.is_login_item),
        is_visible=state.is_login_item is not None,
    )


def _daemon_row(state: TrayState) -> MenuRow:
    is_gone = state.presence is Presence.NOT_RUNNING
    return _action(DAEMON, "Start daemon" if is_gone else "Restart daemon", state)


def _about() -> MenuRow:
    return MenuRow(
        key="about",
        kind=RowKind.SUBMENU,
        text="About",
        rows=tuple(_text(key, text) for key, text in ABOUT.items()),
    )


def _with_charts(text: str, state: TrayState) -> str:
    return text if state.has_charts else f"{text} (needs offramp[charts])"


def _quit_text(state: TrayState) -> str:
    is_gone = state.presence is Presence.NOT_RUNNING
    return "Quit tray" if is_gone else "Quit tray (the daemon keeps running)"


def _busy(text: str, key: str, state: TrayState) -> str:
    return f"{text}…" if key in state.pending and not text.endswith("…") else text


def _text(key: str, text: str) -> MenuRow:
    return MenuRow(key=key, kind=RowKind.TEXT, text=text)


def _optional_text(key: str, text: str) -> MenuRow:
    """A row that is there to be seen only while it has something to say."""
    return MenuRow(key=key, kind=RowKind.TEXT, text=text, is_visible=bool(text))


def _action(key: str, text: str, state: TrayState) -> MenuRow:
    return MenuRow(key=key, kind=RowKind.ACTION, text=_busy(text, key, state))


def _separator(number: str) -> MenuRow:
    return MenuRow(key=f"separator.{number}", kind=RowKind.SEPARATOR)
