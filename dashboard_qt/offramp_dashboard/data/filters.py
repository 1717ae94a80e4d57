"""What the user chose to see, and the small file by which it outlives the window. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file, private_files
from offramp_core.errors import OfframpError
from offramp_core.usage.measure import DEFAULT, Measure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offramp_core.usage.weeks import Span

_MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is counted, what is hidden, and the range that was dragged.

    Keys are those of `FilterOption`: a backend's or model's name as the log has it, "" for none.
    What is hidden is kept rather than what is shown, so that a new model shows by itself.
    """

    measure: Measure = DEFAULT
    hidden_providers: frozenset[str] = frozenset()
    hidden_models: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    """Only these are shown; none at all shows every project, and "" is for those without one. Kept
    in no file, for nothing of projects is."""
    session: str | None = None
    """The only one whose requests the table shows; charts show the others too. Kept in no file."""
    lists_sessions: bool = False
    """Whether anybody looks at the list of sessions."""
    span: Span | None = None
    """Kept in no file: tomorrow it would be a surprise."""

    def with_provider(self, key: str, *, is_on: bool) -> Selection:
        """This one, with a backend shown or hidden."""
        hidden = self.hidden_providers
        return replace(self, hidden_providers=hidden - {key} if is_on else hidden | {key})

    def with_model(self, key: str, *, is_on: bool) -> Selection:
        """This one, with a model shown or hidden."""
        hidden = self.hidden_models
        return replace(self, hidden_models=hidden - {key} if is_on else hidden | {key})

    def with_everything(self) -> Selection:
        """This one, with no provider, model or project hidden."""
        none: frozenset[str] = frozenset()
        return replace(self, hidden_providers=none, hidden_models=none, projects=none)

    def with_project(self, key: str, *, is_on: bool) -> Selection:
        """This one, with a project among those that are shown, or not."""
        return replace(self, projects=self.projects | {key} if is_on else self.projects - {key})

    def with_only_provider(self, key: str, known: Iterable[str]) -> Selection:
        """This one with only that backend of `known` shown; all of them if it was so already."""
        hidden = _others(key, known, self.hidden_providers)
        return replace(self, hidden_providers=hidden)

    def with_only_model(self, key: str, known: Iterable[str]) -> Selection:
        """This one with only that model of `known` shown; all of them if it was so already."""
        return replace(self, hidden_models=_others(key, known, self.hidden_models))

    def shows(self, backend: str | None, model: str | None) -> bool:
        """Whether requests for `model` that `backend` served are counted."""
        return (backend or "") not in self.hidden_providers and (
            model or ""
        ) not in self.hidden_models


def _others(key: str, known: Iterable[str], hidden: frozenset[str]) -> frozenset[str]:
    others = frozenset(known) - {key}
    is_alone = key not in hidden and others <= hidden
    return frozenset() if is_alone else others


class _SavedFilters(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

    measure: Measure = DEFAULT
    hidden_providers: frozenset[str] = frozenset()
    hidden_models: frozenset[str] = frozenset()


def load(file: Path) -> Selection:
    """The selection in `file`; the default where there is none, or none that can be understood."""
    try:
        saved = msgspec.json.decode(atomic_file.load(file, _MAX_BYTES) or b"", type=_SavedFilters)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Selection()
    return Selection(
        measure=saved.measure,
        hidden_providers=saved.hidden_providers,
        hidden_models=saved.hidden_models,
    )


def save(file: Path, selection: Selection) -> None:
    """Write it, whole or not at all; only its user can read it.

    Raises:
        OfframpError: it can't be written; what was there stays.
    """
    saved = _SavedFilters(
        measure=selection.measure,
        hidden_providers=selection.hidden_providers,
        hidden_models=selection.hidden_models,
    )
    try:
        private_files.make_folder(file.parent)
        data = msgspec.json.encode(saved, order="deterministic") + b"\n"
        atomic_file.replace(file, data, waits_for_disk=False)
    except OSError as error:
        raise OfframpError(
            f"The choice of what to show can't be kept in {file}: {error.strerror or error}.",
            hint="It applies until the window closes. Make the folder writable for your user.",
        ) from error
