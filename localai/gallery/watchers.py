"""Who is told whenever a job changes."""

from __future__ import annotations

import threading
from collections.abc import Callable

Tell = Callable[[], None]


class Watchers:
    """Those who watch jobs, by the jobs' ids; all methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tells: dict[str, list[Tell]] = {}

    def add(self, job_id: str, tell: Tell) -> Callable[[], None]:
        """Call `tell`, from any thread, whenever the job changes; returns what ends that."""
        with self._lock:
            self._tells.setdefault(job_id, []).append(tell)
        return lambda: self._remove(job_id, tell)

    def tell(self, job_id: str) -> None:
        """Tell those who watch this job."""
        with self._lock:
            tells = list(self._tells.get(job_id, ()))
        for tell in tells:
            tell()

    def tell_all(self) -> None:
        """Tell everybody who watches any job."""
        with self._lock:
            tells = [tell for several in self._tells.values() for tell in several]
        for tell in tells:
            tell()

    def _remove(self, job_id: str, tell: Tell) -> None:
        with self._lock:
            self._tells[job_id].remove(tell)
            if not self._tells[job_id]:
                del self._tells[job_id]
