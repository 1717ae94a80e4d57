"""An event loop whose time stands still until a test moves it: waits of minutes take none."""

from __future__ import annotations

import asyncio

_ROUNDS = 12
"""More than any chain of callbacks that a step sets off."""
_LONGEST_END = 1000


class ManualLoop(asyncio.SelectorEventLoop):
    """Runs what is ready, and timers once `advance` has reached them; it never sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s

    def settle(self) -> None:
        """Run everything that is ready, and what that sets off."""
        for _ in range(_ROUNDS):
            self.call_soon(self.stop)
            self.run_forever()

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once, and run what is then due."""
        self.settle()
        self.now_s += seconds
        self.settle()

    def end(self) -> None:
        """Cancel what is left, which may take turns at ending, and close."""
        for task in asyncio.all_tasks(self):
            task.cancel()
        for _ in range(_LONGEST_END):
            if not asyncio.all_tasks(self):
                break
            self.settle()
        self.close()
