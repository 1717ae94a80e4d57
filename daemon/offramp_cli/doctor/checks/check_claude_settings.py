"""Where Claude Code's settings and variables send it, to which models, and what they switch off."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.addresses import is_loopback
from offramp_core.claude_settings import bypasses, custom_headers, model_names, scopes
from offramp_core.claude_settings.custom_headers import HEADERS, SHOWN_LINE
from offramp_core.claude_settings.editing import BASE_URL
from offramp_core.config.values import shown
from offramp_core.wording import trouble_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from offramp_cli.doctor.finding import Remark
    from offramp_core.claude_settings.scopes import Scope, ScopedValue
    from offramp_core.control.api import ClientProblem
    from offramp_core.settings import Secret, Settings

_CONNECT = "offramp connect"
_CACHING = (
    "DISABLE_PROMPT_CACHING",
    "DISABLE_PROMPT_CACHING_OPUS",
    "DISABLE_PROMPT_CACHING_SONNET",
    "DISABLE_PROMPT_CACHING_HAIKU",
)
_SWITCHES = {
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "newer features of the API are switched off",
    "CLAUDE_CODE_DISABLE_1M_CONTEXT": "contexts of a million tokens are switched off",
}
_TOOL_SEARCH = "ENABLE_TOOL_SEARCH"


def judge_address(
    found: Sequence[Scope],
    url: str,
    *,
    is_own: Callable[[str], bool],
    problem: ClientProblem | None = None,
    token: Secret | None = None,
) -> Iterator[Remark]:
    """Judge whether Claude Code's base URL is `url`, and nothing leads past it.

    `problem` is what the daemon says of settings that `connect` wrote and that changed since, and
    `token` is what every client has to send, if anything.
    """
    yield from _unreadable(found)
    setting = scopes.in_force(found, BASE_URL)
    if problem is not None and (setting is None or not is_own(setting.value)):
        yield failure(trouble_text.client_text(problem), trouble_text.client_cure_text(problem))
        return
    if setting is None:
        is_unreadable = any(scope.problem for scope in found)
        what = "nothing that it can read" if is_unreadable else "nothing"
        yield warning(
            f"Claude Code does not use Offramp: {what} sets ANTHROPIC_BASE_URL.",
            f"Then: {_CONNECT}" if is_unreadable else f"To point it here: {_CONNECT}",
        )
        return
    if not is_own(setting.value):
        yield _foreign(setting, url)
        return
    yield from _own(setting, found, is_own=is_own)
    if token is not None:
        yield from _without_token(found, token)
    for bypass in bypasses.find(found, setting.value):
        yield failure(bypass.saw, bypass.cure)


def _unreadable(found: Sequence[Scope]) -> Iterator[Remark]:
    for scope in found:
        if scope.problem:
            yield failure(
                f"Claude Code can't read {scope.path} ({scope.name}): {scope.problem}.",
                "Make it plain JSON, without comments and trailing commas.",
            )


def _foreign(setting: ScopedValue, url: str) -> Remark:
    host = urlsplit(setting.value).hostname or ""
    what = "another port than Offramp's" if is_loopback(host) else "not Offramp"
    cure = f"Remove it there, or set it to {url}."
    if setting.scope.path is None:
        cure = f"Unset it. To point Claude Code here permanently: {_CONNECT}"
    elif setting.scope.name == scopes.OWN:
        cure = f"To point it here (offramp disconnect undoes it): {_CONNECT} --force"
    return failure(
        f"{setting.scope.shown} sets ANTHROPIC_BASE_URL to {shown(setting.value)}, which is "
        f"{what}: Claude Code uses that address.",
        cure,
    )


def _own(
    setting: ScopedValue, found: Sequence[Scope], *, is_own: Callable[[str], bool]
) -> Iterator[Remark]:
    parts = urlsplit(setting.value)
    where = setting.scope.shown
    if parts.scheme != "http":
        yield failure(
            f"{where} has Claude Code use {shown(setting.value)}, but Offramp uses http, not "
            f"{parts.scheme}.",
            f"Remove it, then: {_CONNECT}",
        )
    elif parts.path.strip("/"):
        yield failure(
            f"{where} has Claude Code use {shown(setting.value)}, so each path would begin with "
            f"{parts.path} twice, or be wrong.",
            f"Remove {parts.path}.",
        )
    else:
        yield ok(f"{where} has Claude Code use {setting.value}.")
    if setting.scope.path is None:
        yield note("This applies in this terminal only.", f"To make it permanent: {_CONNECT}")
    for other in scopes.variables(found, BASE_URL):
        if other.scope is not setting.scope and not is_own(other.value):
            yield note(f"{other.scope.shown} sets it to {shown(other.value)}, which has no effect.")


def _without_token(found: Sequence[Scope], token: Secret) -> Iterator[Remark]:
    """Say that the daemon will refuse each request, if Claude Code does not send the token."""
    headers = scopes.in_force(found, HEADERS)
    if headers is None or not custom_headers.sends(headers.value, token):
        cure = f"To make Claude Code send it: {_CONNECT}"
        if headers is not None and headers.scope.path and headers.scope.name != scopes.OWN:
            cure = (
                f'{headers.scope.shown} sets {HEADERS}: add the line "{SHOWN_LINE}" there, with '
                "the client_token of config.toml for TOKEN."
            )
        yield failure(
            "Offramp refuses Claude Code's requests, because they don't contain its client_token.",
            cure,
        )


def judge_models(found: Sequence[Scope], settings: Settings) -> Iterator[Remark]:
    """Where each model goes that is set by name."""
    named_models = [*model_names.find(found, settings)]
    if not named_models:
        yield ok("No model is set by name, so Claude Code's own names are routed.")
    for named in named_models:
        problem = named.problem
        yield warning(*problem) if problem else ok(f"{named.saw}, which goes to {named.backend}.")


def judge_features(found: Sequence[Scope], *, is_own: Callable[[str], bool]) -> Iterator[Remark]:
    """What is switched off, by a variable or by the address."""
    remarks = [*_switched_off(found), *_behind_address(found, is_own)]
    yield from remarks or [ok("No variable switches a feature off.")]


def _switched_off(found: Sequence[Scope]) -> Iterator[Remark]:
    for name in _CACHING:
        setting = scopes.in_force(found, name)
        if setting is not None and scopes.is_on(setting.value):
            yield warning(
                f"{setting.scope.shown} sets {name}: every turn uses your plan as if it were the "
                "first.",
                "Remove it.",
            )
    for name, effect in _SWITCHES.items():
        setting = scopes.in_force(found, name)
        if setting is not None and scopes.is_on(setting.value):
            yield note(f"{setting.scope.shown} sets {name}: {effect}.")
    headers = scopes.in_force(found, HEADERS)
    if headers is not None:
        yield note(f"{headers.scope.shown} adds headers to each request ({HEADERS}, not shown).")


def _behind_address(found: Sequence[Scope], is_own: Callable[[str], bool]) -> Iterator[Remark]:
    """What Claude Code leaves off behind any address but Anthropic's own."""
    url = scopes.in_force(found, BASE_URL)
    if url is None or not is_own(url.value):
        return
    if scopes.in_force(found, _TOOL_SEARCH) is None:
        yield note(
            "With any address other than Anthropic's, some versions of Claude Code load all MCP "
            "tools up front, and lose Remote Control and the 1M-token context.",
            f"If you have many MCP tools, try {_TOOL_SEARCH}=true in the env block of its "
            "settings.",
        )
