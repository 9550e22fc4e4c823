"""Generated pictures under addresses that cannot be guessed and end after a while."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localai.api.spool import Spool, write_whole
from localai.errors import CapacityError, FileNotFound

PREFIX = "/generated"
_NAME_BYTES = 32


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file on disk, of what kind it is, and when its address ends."""

    path: Path
    media_type: str
    expires: float


class GeneratedFiles:
    """Keeps files by their secret names for `lifetime` seconds, by `clock`."""

    def __init__(
        self, spool: Spool, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._spool = spool
        self._lifetime = lifetime
        self._clock = clock
        self._files: dict[str, GeneratedFile] = {}

    async def add(self, content: bytes, media_type: str) -> str:
        """Write a file; returns its path below the gateway's address.

        Raises CapacityError when there is no room.
        """
        name = f"{secrets.token_urlsafe(_NAME_BYTES)}.{media_type.rpartition('/')[2]}"
        path = self._spool.folder("generated") / name
        # Before it is written, so that it also ends when the caller leaves in between.
        self._files[name] = GeneratedFile(path, media_type, self._clock() + self._lifetime)
        try:
            await asyncio.to_thread(write_whole, path, content)
        except CapacityError:
            self._files.pop(name, None)  # it may have expired meanwhile
            raise
        return f"{PREFIX}/{name}"

    def find(self, name: str) -> GeneratedFile:
        """Return the file called `name`; raises FileNotFound for unknown and for expired ones."""
        self.remove_expired()
        found = self._files.get(name)
        if found is None or not found.path.exists():
            raise FileNotFound(
                "There is no such file, or its time is over: LOCALAI_FILE_TTL says how long "
                "addresses of generated files are valid."
            )
        return found

    def remove_expired(self) -> None:
        """Remove the files whose time is over."""
        now = self._clock()
        # All live equally long, so the oldest come first.
        while self._files:
            name, file = next(iter(self._files.items()))
            if file.expires > now:
                return
            del self._files[name]
            file.path.unlink(missing_ok=True)
