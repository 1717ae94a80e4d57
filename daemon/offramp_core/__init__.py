"""What every Offramp process shares: settings, records, and the numbers made from them.

Synchronous and light: the standard library, msgspec and platformdirs. It imports no server and
no toolkit, and nothing of the daemon, the tray or the window.
"""

__version__ = "0.2.0"
