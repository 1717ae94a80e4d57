"""Puts a key into its store, and has the daemon take it: off the window's thread.

A keyring may ask its user for a password, and waits for it.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from offramp_core.control.client import ControlError
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from offramp_core.control.client import ControlClient
    from offramp_core.keys.key_store import KeyStore
    from offramp_core.settings import Secret


class KeyWriter(QObject):
    """Stores one key at a time.

    Signals:
        done(str): it is stored, or there was none to store; the text says what went wrong, and is
            empty if nothing did.
    """

    done = Signal(str)

    def __init__(
        self, store: KeyStore, client: ControlClient, parent: QObject | None = None
    ) -> None:
        """Use `store`; tell the daemon by `client`."""
        super().__init__(parent)
        self._store = store
        self._client = client
        self._thread: threading.Thread | None = None

    def write(self, backend: str, key: Secret | None) -> None:
        """Store `key`, if there is one, then have the daemon read its settings."""
        self._thread = threading.Thread(
            target=self._work, args=(backend, key), name="offramp-key", daemon=True
        )
        self._thread.start()

    def _work(self, backend: str, key: Secret | None) -> None:
        problem = ""
        try:
            if key is not None:
                self._store.set(backend, key)
        except OfframpError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - else the page would wait for good
            # Neither its text nor a traceback: either may hold the key.
            problem = (
                "The key could not be stored: internal error, please report it "
                f"({type(error).__name__}). Store it in a terminal: offramp key set {backend}"
            )
        else:
            # It looks at its files by itself as well; asking only makes it sooner.
            with contextlib.suppress(ControlError):
                self._client.reload()
        with contextlib.suppress(RuntimeError):  # the dialog has gone meanwhile
            self.done.emit(problem)
