"""What the demo runs by whatever its settings file says, for `offramp config show --demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.daemon_client import client_for
from offramp_cli.demo.command import PORT
from offramp_core.control.client import ControlError
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC

if TYPE_CHECKING:
    from offramp_core.paths import Paths

_SIMULATED = "(simulated)"
_REPLACED = (
    "zai_api_key",
    "zai_base_url",
    "anthropic_base_url",
    f"backend.{ANTHROPIC}.base_url",
    f"backend.{DELEGATE.name}.base_url",
    f"backend.{DELEGATE.name}.key",
)


def values(paths: Paths) -> dict[str, object]:
    """Return what the demo does not take from its settings, by name.

    The port is that of the running demo, or the one that it would take. The simulated services have
    other addresses at each start, and a key that only they know.
    """
    return {"port": _port(paths), **dict.fromkeys(_REPLACED, _SIMULATED)}


def _port(paths: Paths) -> int:
    try:
        address = client_for(paths).status().address
    except ControlError:
        return PORT
    return urlsplit(address).port or PORT
