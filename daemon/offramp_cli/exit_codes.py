"""What `offramp` ends with; listed in docs/commands.md, so a number never changes its meaning.

2 is click's own, for a wrong option or argument.
"""

from offramp_cli.options import WrongArgumentError
from offramp_core.config.loader import ConfigError
from offramp_core.errors import OfframpError
from offramp_daemon.server.listeners import PortBusyError

FAILURE = 1
WRONG_ARGUMENT = 2
SETTINGS_REFUSED = 3
PORT_BUSY = 4
NEWER_VERSION = 5


def for_error(error: OfframpError) -> int:
    """Return the exit code by which a script knows what kind of failure `error` is."""
    match error:
        case WrongArgumentError():
            return WRONG_ARGUMENT
        case ConfigError():
            return SETTINGS_REFUSED
        case PortBusyError():
            return PORT_BUSY
        case _:
            return FAILURE
