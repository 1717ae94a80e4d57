"""What can be shown or hidden: the providers, models and projects that the log has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.wording.formatting import backend_name, printable, short_model
from offramp_core.wording.session_text import NO_PROJECT
from offramp_dashboard.data import display_names
from offramp_dashboard.data.snapshot import FilterOption, ProjectOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offramp_dashboard.data.display_names import Route
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.sessions.session_table import SessionTable


def providers(routes: Mapping[Route, int], selection: Selection) -> tuple[FilterOption, ...]:
    """Return each backend once, in the order of the series."""
    hidden = selection.hidden_providers
    backends = [backend for backend, _ in routes] + [key or None for key in hidden]
    return tuple(
        FilterOption(
            key=backend or "",
            name=backend_name(backend),
            backend=backend,
            is_on=(backend or "") not in hidden,
        )
        for backend in display_names.backends_in_order(backends)
    )


def models(routes: Mapping[Route, int], selection: Selection) -> tuple[FilterOption, ...]:
    """Return each model once, with the backend that served it most, in the order of the series."""
    hidden = selection.hidden_models
    home: dict[str | None, tuple[int, str | None]] = {key or None: (0, None) for key in hidden}
    served: dict[str | None, set[str | None]] = {}
    for (backend, model), requests in routes.items():
        served.setdefault(model, set()).add(backend)
        home[model] = max(
            home.get(model, (-1, None)),
            (requests, backend),
            key=lambda one: (one[0], one[1] or ""),
        )
    ordered = display_names.routes_in_order(
        (backend, model) for model, (_, backend) in home.items()
    )
    names = _unique([model for _, model in ordered])
    return tuple(
        FilterOption(
            key=model or "",
            name=name,
            backend=backend,
            is_on=(model or "") not in hidden,
            also=display_names.backends_in_order(served.get(model, set()) - {backend}),
        )
        for (backend, model), name in zip(ordered, names, strict=True)
    )


def projects(table: SessionTable, selection: Selection) -> tuple[ProjectOption, ...]:
    """Return each project that has sessions in the log, by name, and last what has none."""
    found = {*table.used_projects, *selection.projects}
    if not found - {""}:
        return ()
    return tuple(
        ProjectOption(
            key=name,
            name=printable(name) if name else NO_PROJECT,
            is_on=not selection.projects or name in selection.projects,
        )
        for name in sorted(found, key=lambda name: (not name, name.casefold(), name))
    )


def titles(routes: Sequence[Route]) -> dict[Route, str]:
    """Names of routes; one model at two backends is told apart by them."""
    asked = list(dict.fromkeys(model for _, model in routes))
    names = dict(zip(asked, _unique(asked), strict=True))
    served = [model for _, model in routes]
    return {
        (backend, model): names[model]
        if served.count(model) == 1
        else f"{names[model]} ({backend_name(backend)})"
        for backend, model in routes
    }


def _unique(models: Sequence[str | None]) -> list[str]:
    """Short names; in full where two snapshots of a model would have the same."""
    short = [short_model(model) for model in models]
    return [
        title if model is None or short.count(title) == 1 else printable(model)
        for model, title in zip(models, short, strict=True)
    ]
