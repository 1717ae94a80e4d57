"""Whether each backend has its key, where from, and whether the backend takes it; the keyring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.config import key_sources
from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.config.stored_keys import FROM_KEYRING
from offramp_core.errors import OfframpError
from offramp_core.keys.key_input import has_usual_shape, takes_key
from offramp_core.keys.key_store import KeyStore, service_name
from offramp_core.keys.system_keyring import KeyringError, SystemKeyring
from offramp_core.quota import windows
from offramp_daemon.upstream import key_check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import BackendStatus
    from offramp_core.keys.key_file import StoredKey
    from offramp_core.keys.system_keyring import Trouble
    from offramp_core.settings import Backend
    from offramp_daemon.upstream.key_check import Verdict

_KEYRING_LIMIT_S = 2.5
_CHECK_LIMIT_S = 4.0
"""Together less than a check may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One backend's key as these settings have it; no key is in here."""

    backend: str
    masked: str | None = None
    where: str = "nowhere"
    problem: str | None = None
    """Why the keyring does not give it."""
    has_usual_shape: bool = True
    verdict: Verdict | None = None
    """What the backend makes of it."""
    of_daemon: BackendStatus | None = None
    quota_problem: str | None = None
    """Why the running daemon does not know how much of the plan is used."""


def look(context: DoctorContext, backend: Backend) -> KeyFacts:
    """Find the key and have its backend look at it; it is sent nowhere else."""
    loaded, paths = context.loaded, context.paths
    status = context.status
    of_daemon = next(
        (each for each in (status.backends if status else ()) if each.name == backend.name), None
    )
    plan = windows.find(status.quota if status else (), backend.name)
    if loaded is None:
        problem = "the settings can't be read"
        return KeyFacts(backend=backend.name, problem=problem, of_daemon=of_daemon)
    source = key_sources.source_of(backend, loaded, paths)
    keyring = SystemKeyring(service_name(paths), limit_s=_KEYRING_LIMIT_S)
    source = key_sources.with_stored_key(source, KeyStore(paths, keyring))
    verdict = None
    if source.key is not None:
        verdict = key_check.check_key(
            backend, source.key, routes=loaded.settings.routes, limit_s=_CHECK_LIMIT_S
        )
    return KeyFacts(
        backend=backend.name,
        masked=source.key.masked() if source.key else None,
        where=source.where,
        problem=source.problem,
        has_usual_shape=source.key is None or has_usual_shape(source.key, backend.name),
        verdict=verdict,
        of_daemon=of_daemon,
        quota_problem=plan.problem if plan else None,
    )


def judge(facts: KeyFacts) -> Iterator[Remark]:
    """Whether it is there and good, here and where the daemon runs."""
    set_it = f"offramp key set {facts.backend}"
    if facts.masked is None:
        why = f" ({facts.problem})" if facts.problem else ""
        yield warning(
            f"There is no key for {facts.backend}{why}: its requests go to Claude, on your Claude "
            "plan.",
            f"Store one: {set_it}",
        )
    else:
        yield from _of_verdict(facts, set_it)
    yield from _of_daemon(facts, set_it)
    if facts.quota_problem is not None:
        yield note(
            f"The plan's usage is not known: {facts.quota_problem}",
            "Its requests are served anyway. To stop asking: zai_quota = false in config.toml.",
        )


def _of_verdict(facts: KeyFacts, set_it: str) -> Iterator[Remark]:
    seen = f"{facts.masked}, from {facts.where}"
    verdict = facts.verdict
    if verdict is not None and verdict.outcome == "refused":
        yield failure(
            f"{seen}. {verdict.text}",
            f"Copy it again from the service's page for API keys: {set_it}",
        )
    elif verdict is not None and verdict.outcome == "accepted":
        yield ok(f"{seen}. {verdict.text}")
    else:
        text = verdict.text if verdict else "It was not checked."
        yield note(f"{seen}. {text}")
        if not facts.has_usual_shape:
            yield warning(
                f"It does not look like a key for {facts.backend}.", f"Copy it again: {set_it}"
            )


def _of_daemon(facts: KeyFacts, set_it: str) -> Iterator[Remark]:
    """Where the daemon has another view of the key than this shell."""
    daemon = facts.of_daemon
    if daemon is None:
        return
    if daemon.key == "missing" and facts.masked is not None:
        why = f" ({daemon.key_note})" if daemon.key_note else ""
        yield warning(
            f"The running daemon has no key for {facts.backend}{why}, though this shell has one.",
            f"Store it where the daemon finds it: {set_it}. Or make it look again: offramp reload",
        )
    elif daemon.key == "present" and facts.masked is None:
        yield note(
            f"The running daemon has a key for {facts.backend} that this shell does not have."
        )


def backends_with_key(context: DoctorContext) -> tuple[Backend, ...]:
    """Those in use that need a key."""
    return tuple(backend for backend in context.backends_in_use if takes_key(backend))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringFacts:
    """The keyring's name where it can be used, else what is wrong; and what is stored where."""

    name: str | None
    trouble: Trouble | None
    detail: str
    entries: Mapping[str, StoredKey]
    lost: tuple[str, ...]
    """The backends whose key it should hold, and does not."""
    file_problem: str | None


def look_at_keyring(context: DoctorContext) -> KeyringFacts:
    """Ask the keyring, within seconds; nobody is asked for a password."""
    keyring = SystemKeyring(service_name(context.paths), limit_s=_KEYRING_LIMIT_S)
    entries: Mapping[str, StoredKey] = {}
    file_problem = None
    try:
        entries = KeyStore(context.paths, keyring).entries()
    except OfframpError as error:
        file_problem = str(error)
    held = [name for name, entry in entries.items() if entry.place == FROM_KEYRING]
    name, trouble, detail = None, None, ""
    lost: tuple[str, ...] = ()
    try:
        name = keyring.look()
        # That a keyring is there does not say that it gives what it holds.
        lost = tuple(sorted(set(held) - keyring.get(held).keys())) if held else ()
    except KeyringError as error:
        trouble, detail = error.trouble, error.title
    return KeyringFacts(
        name=name,
        trouble=trouble,
        detail=detail,
        entries=entries,
        lost=lost,
        file_problem=file_problem,
    )


def judge_keyring(facts: KeyringFacts) -> Iterator[Remark]:
    """Whether what is stored there can be had."""
    held = [name for name, entry in facts.entries.items() if entry.place == FROM_KEYRING]
    filed = [name for name, entry in facts.entries.items() if entry.place != FROM_KEYRING]
    places = []
    if held:
        places.append(f"It has the key for {', '.join(held)}.")
    if filed:
        places.append(f"The key for {', '.join(filed)} is in the file keys.json.")
    stored = " ".join(places) or "No key is stored there, nor in the key file."
    if facts.trouble is None:
        yield ok(f"{facts.name} can be used. {stored}")
    elif held:
        yield warning(
            f"{facts.detail} {stored} Until it can be used, those requests go to Claude.",
            f"Unlock it, or store the key in a file: offramp key set {held[0]} --file",
        )
    else:
        yield note(f"{facts.detail} {stored}")
    for name in facts.lost:
        yield warning(
            f"It should have the key for {name}, but does not.",
            f"Store it again: offramp key set {name}",
        )
    if facts.file_problem is not None:
        yield failure(facts.file_problem, "Delete keys.json and store the key again.")
