"""The progress of a job as a stream: server-sent events, or a JSON object a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from localai.api.admin.job_description import describe_job
from localai.errors import ShuttingDown
from localai.gallery.job import Job
from localai.gallery.jobs import Jobs
from localai.protocol import sse

NDJSON = "application/x-ndjson"
_SSE = "text/event-stream"
_HEARTBEAT = 15.0
"""Seconds without a change after which something is sent, so that no proxy closes the line."""
_PAUSE = 0.2
"""Seconds between two events at least: bytes come much more often than anybody can read."""
_COMMENT = b": still here\n\n"
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def stream_job(
    request: Request, jobs: Jobs, job: Job, first: dict[str, Any] | None = None
) -> Response:
    """Return the job's events until it has ended, `first` before them."""
    lines = prefers_ndjson(request.headers.get("accept", ""))
    frames = _frames(jobs, job, first, lines=lines)
    media_type = NDJSON if lines else sse.CONTENT_TYPE
    return StreamingResponse(frames, headers=_HEADERS, media_type=media_type)


def prefers_ndjson(accept: str) -> bool:
    """Tell whether an `Accept` header wants lines of JSON rather than server-sent events."""
    wanted: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(accept.lower().split(",")):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        wanted.setdefault(name, (_quality(parameters), -place))
    none = (0.0, 0)
    lines = max(wanted.get(NDJSON, none), wanted.get("application/ndjson", none))
    # Only one that is named counts against it: `*/*` stands in every header.
    return lines[0] > 0 and lines > wanted.get(_SSE, none)


async def changes(
    jobs: Jobs, job: Job, heartbeat: float = _HEARTBEAT, pause: float = _PAUSE
) -> AsyncIterator[Job | None]:
    """Yield the job at once and after each change, None where there was none for `heartbeat`.

    Ends with the job, or when the gateway ends.
    """
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    end = jobs.watch(job.id, _waking(loop, changed))
    try:
        while True:
            changed.clear()
            job = jobs.find(job.id)
            yield job
            if not job.is_open or jobs.is_ending:
                return
            await asyncio.sleep(pause)
            while not await _within(changed, heartbeat) and jobs.find(job.id) == job:
                yield None  # of another gateway's job no change is told
    finally:
        end()


def _waking(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> Callable[[], None]:
    def wake() -> None:
        with suppress(RuntimeError):  # the loop has been closed meanwhile: nobody listens any more
            loop.call_soon_threadsafe(changed.set)

    return wake


async def _within(changed: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _frames(
    jobs: Jobs, job: Job, first: dict[str, Any] | None, *, lines: bool
) -> AsyncIterator[bytes]:
    frame = _line if lines else sse.data_frame
    if first is not None:
        yield frame(first)
    async for changed in changes(jobs, job):
        if changed is not None:
            job = changed
        # Lines of JSON know no comments, so that they say the same once more.
        yield _COMMENT if changed is None and not lines else frame(describe_job(job))
    if job.is_open:
        gone = ShuttingDown("The gateway ends; the job goes on when it is started again.")
        yield frame(gone.envelope())
    elif not lines:
        yield sse.DONE


def _line(payload: dict[str, Any]) -> bytes:
    return orjson.dumps(payload) + b"\n"


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
