"""Small questions, asked again where the failure may pass: a busy server, a line that was cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from localai.network.leaving import Left

if TYPE_CHECKING:
    import httpx2

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What servers answer that may answer otherwise soon."""
ATTEMPTS = 3
_UNREACHED = 2
"""Where nobody answers at all, patience is shorter: there may be no network."""
PAUSE = 0.5
"""Seconds before the second attempt, and twice as long before each further one."""
LONGEST_WAIT = 20.0
"""Seconds; a server that asks to wait longer is not waited for."""

Answer = TypeVar("Answer")


class TooLarge(Exception):
    """The answer is larger than it may be."""


def ask_patiently(
    ask: Callable[[], Answer],
    sleep: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
) -> Answer:
    """Return what `ask` returns, after several attempts if need be.

    `ask` returns a response of httpx2, or anything else and raises an httpx2.HTTPError, which may
    have a `response`. The last busy answer is returned, the last error raised. A silent server is
    not asked again, as it has had its time. Raises Left where `cancel` is set before an attempt.
    """
    import httpx2

    pause: Callable[[float], object] = sleep or (time.sleep if cancel is None else cancel.wait)
    attempt = 0
    while True:
        attempt += 1
        if cancel is not None and cancel.is_set():
            raise Left
        failure: httpx2.HTTPError | None = None
        try:
            answer = ask()
            response: object = answer
        except httpx2.HTTPError as error:
            failure, response = error, getattr(error, "response", None)
        wait = _wait(attempt, response, failure)
        if wait is not None:
            pause(wait)
        elif failure is not None:
            raise failure
        else:
            return answer


def asked_to_wait(response: httpx2.Response) -> float | None:
    """Return the seconds that an answer asks to wait, None where it does not say."""
    return retry_after(response.headers.get("retry-after"))


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for: a number, or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


def whole(answer: httpx2.Response, most: int) -> httpx2.Response:
    """Read a streamed answer of at most `most` bytes; raises TooLarge."""
    import httpx2

    content = bytearray()
    for part in answer.iter_bytes():
        content += part
        if len(content) > most:
            raise TooLarge
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"content-encoding", "content-length", "transfer-encoding"}
    }
    return httpx2.Response(answer.status_code, headers=headers, content=bytes(content))


def _wait(attempt: int, response: object, failure: httpx2.HTTPError | None) -> float | None:
    """Return how long to wait before the next attempt, None where there is none."""
    import httpx2

    pause = PAUSE * 2.0 ** (attempt - 1)
    if isinstance(response, httpx2.Response):
        if response.status_code not in BUSY:
            return None
        asked = asked_to_wait(response)
        pause = pause if asked is None else asked
    elif not isinstance(failure, httpx2.NetworkError | httpx2.RemoteProtocolError):
        return None
    most = _UNREACHED if isinstance(failure, httpx2.ConnectError) else ATTEMPTS
    return None if attempt >= most or pause > LONGEST_WAIT else pause
