"""The end of a pull before its time: its caller wants that, or one of its files has failed."""

from __future__ import annotations

import threading


class Cancellation:
    """Set by the pull itself, or by the caller's event."""

    def __init__(self, caller: threading.Event | None) -> None:
        self._caller = caller
        self._own = threading.Event()

    def set(self) -> None:
        """End the pull; the caller's event stays as it is."""
        self._own.set()

    def is_set(self) -> bool:
        """Tell whether the pull is to end."""
        return self._own.is_set() or (self._caller is not None and self._caller.is_set())
