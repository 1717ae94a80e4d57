"""What makes Claude Code's requests go past its base URL, or not straight to it.

That a proxy catches requests to localhost, and which NO_PROXY spares them, was seen with Claude
Code 2.1.197: HTTPS_PROXY and HTTP_PROXY do, whatever the scheme, ALL_PROXY does not, and the name
in the base URL must be the one in NO_PROXY.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_core import no_proxy
from offramp_core.claude_settings import scopes
from offramp_core.config.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from offramp_core.claude_settings.scopes import Scope

PROVIDERS: Mapping[str, str] = {
    "CLAUDE_CODE_USE_BEDROCK": "Amazon Bedrock",
    "CLAUDE_CODE_USE_VERTEX": "Google Vertex AI",
    "CLAUDE_CODE_USE_FOUNDRY": "Microsoft Foundry",
}
"""Variables that have Claude Code ask another service, and which."""

_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
_NO_PROXIES = ("no_proxy", "NO_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class BypassReason:
    """One reason, and what to do about it, both as whole sentences without a secret."""

    saw: str
    cure: str


def find(found: Sequence[Scope], url: str) -> Iterator[BypassReason]:
    """List why requests that are meant for `url` would not arrive there."""
    for variable, service in PROVIDERS.items():
        setting = scopes.in_force(found, variable)
        if setting is not None and scopes.is_on(setting.value):
            yield BypassReason(
                saw=f"{setting.scope.shown} sets {variable}: Claude Code uses {service}, and "
                "ignores its base URL.",
                cure="Remove it.",
            )
    proxy = scopes.in_force(found, *_PROXIES)
    host = urlsplit(url).hostname or ""
    if proxy is not None and not _is_spared(url, found):
        yield BypassReason(
            saw=f"{proxy.scope.shown} sets {proxy.name} ({shown(proxy.value)}), and NO_PROXY does "
            f"not exclude {host}: Claude Code sends its requests for {url}, with your login, "
            "to that proxy.",
            cure=f"Set NO_PROXY={_extended(host, found)} there too.",
        )


def _is_spared(url: str, found: Sequence[Scope]) -> bool:
    setting = scopes.in_force(found, *_NO_PROXIES)
    return setting is not None and no_proxy.spares(setting.value, url)


def _extended(host: str, found: Sequence[Scope]) -> str:
    """What NO_PROXY should be: what it is, and this machine."""
    setting = scopes.in_force(found, *_NO_PROXIES)
    present = [setting.value] if setting else []
    return ",".join([*present, *dict.fromkeys((host, "localhost", "127.0.0.1"))])
