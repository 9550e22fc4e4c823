"""The threads that jobs run on: some for all jobs, and one more for those that somebody awaits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

_Work = tuple[Callable[[str], None], str]


class JobThreads:
    """Runs jobs by their ids, in order; those that go first pass all others.

    The threads are daemons: what cannot be cut short does not keep the process.
    """

    def __init__(self, at_once: int) -> None:
        """Run `at_once` jobs at the same time, and one more of those that go first."""
        self._at_once = at_once
        self._changed = threading.Condition()
        self._first: deque[_Work] = deque()
        self._others: deque[_Work] = deque()
        self._has_begun = False
        self._closing = False

    def submit(self, run: Callable[[str], None], job_id: str, *, first: bool) -> None:
        """Call `run`, which may not raise, with the job as soon as a thread is free for it."""
        with self._changed:
            (self._first if first else self._others).append((run, job_id))
            self._begin()
            self._changed.notify_all()

    def hasten(self, job_id: str) -> None:
        """Let a job that still waits go first."""
        with self._changed:
            for work in [one for one in self._others if one[1] == job_id]:
                self._others.remove(work)
                self._first.append(work)
                self._changed.notify_all()

    def close(self) -> list[str]:
        """Begin no other job, and return those that have not begun."""
        with self._changed:
            left = [job_id for _, job_id in (*self._first, *self._others)]
            self._first.clear()
            self._others.clear()
            self._closing = True
            self._changed.notify_all()
        return left

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        for number in range(self._at_once + 1):
            queues = (self._first, self._others) if number else (self._first,)
            name = f"job-{number}" if number else "job-first"
            threading.Thread(target=self._work, args=(queues,), name=name, daemon=True).start()

    def _work(self, queues: tuple[deque[_Work], ...]) -> None:
        while (work := self._take(queues)) is not None:
            run, job_id = work
            run(job_id)

    def _take(self, queues: tuple[deque[_Work], ...]) -> _Work | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or any(queues))
            return next((queue.popleft() for queue in queues if queue), None)
