"""The one tree of errors: each knows its HTTP status, its OpenAI fields and what to do next.

LocalAIError
├── RequestError                    the caller's request cannot be answered as it stands (4xx)
│   ├── InvalidRequest              400  a field is missing, malformed or out of range
│   │   └── InvalidReference        400  names no model, or a path that leaves its folder
│   ├── UnsupportedParameter        400  a known parameter that this model cannot honour
│   ├── ContextLengthExceeded       400  more tokens than the model's window
│   ├── ModelNotFound               404
│   ├── RouteNotFound               404
│   ├── FileNotFound                404  a generated file that never was, or whose time is over
│   ├── MethodNotAllowed            405
│   └── BodyTooLarge                413
├── CapacityError                   right request, wrong moment; carries Retry-After
│   ├── QueueFull                   429  the model's queue is full
│   ├── QueueTimeout                503  waited too long for a turn
│   ├── ModelNotHere                503  the model is being fetched
│   └── ShuttingDown                503  the gateway drains
├── BackendError                    the engine or its process failed
│   ├── LoadFailed                  500  not retried: the same file fails the same way
│   ├── WorkerCrashed               502  the process ended in the middle of a call
│   ├── WorkerStopped               503  somebody unloaded the model in the middle of a call
│   ├── OutOfMemory                 500  the call needs more memory than there is; the engine lives
│   └── EngineFailed                500  the engine reported an error and lives
├── CardError                       a model card is wrong: file, line, what to write instead
└── ConfigError                     a setting is wrong
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class LocalAIError(Exception):
    """Base of all: `message` says what is wrong and what to do about it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code
        self.retry_after = retry_after
        self.details = dict(details or {})

    def envelope(self) -> dict[str, Any]:
        """Return OpenAI's `{"error": {message, type, param, code}}`, with our details beside."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error | self.details}

    def headers(self) -> dict[str, str]:
        """Return the response headers that tell a client whether and when to try again."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, round(self.retry_after)))
        if self.status >= 500 and not self.retryable:
            headers["x-should-retry"] = "false"
        return headers


class RequestError(LocalAIError):
    status = 400
    type = "invalid_request_error"


class InvalidRequest(RequestError):
    default_code = "invalid_value"


class InvalidReference(InvalidRequest):
    """A text that names no model in any form there is, or a path that leaves its folder."""

    default_code = "invalid_reference"


class UnsupportedParameter(RequestError):
    default_code = "unsupported_parameter"


class ContextLengthExceeded(RequestError):
    """The prompt does not fit; also carries llama.cpp's `n_prompt_tokens` and `n_ctx`."""

    default_code = "context_length_exceeded"

    def __init__(
        self,
        prompt_tokens: int,
        context: int,
        *,
        param: str = "messages",
        what: str | None = None,
        advice: str = "raise `options.n_ctx` in the card",
    ) -> None:
        super().__init__(
            f"This model's maximum context length is {context} tokens, but {what or repr(param)} "
            f"has {prompt_tokens}. Shorten it, or {advice}.",
            param=param,
            details={"n_prompt_tokens": prompt_tokens, "n_ctx": context},
        )


class ModelNotFound(RequestError):
    status = 404
    default_code = "model_not_found"


class RouteNotFound(RequestError):
    status = 404
    default_code = "unknown_url"


class FileNotFound(RequestError):
    status = 404
    default_code = "file_not_found"


class MethodNotAllowed(RequestError):
    status = 405
    default_code = "method_not_allowed"


class BodyTooLarge(RequestError):
    status = 413
    default_code = "request_too_large"


class CapacityError(LocalAIError):
    status = 503
    type = "server_error"
    retryable = True


class QueueFull(CapacityError):
    status = 429
    type = "rate_limit_error"
    default_code = "queue_full"


class QueueTimeout(CapacityError):
    default_code = "queue_timeout"


class ModelNotHere(CapacityError):
    """The model is being fetched; carries the job's id."""

    default_code = "model_not_here"


class ShuttingDown(CapacityError):
    default_code = "shutting_down"


class BackendError(LocalAIError):
    """Failures of an engine; load failures carry `phase`, `exit` and the worker's last lines."""


class LoadFailed(BackendError):
    default_code = "model_load_failed"


class WorkerCrashed(BackendError):
    status = 502
    default_code = "worker_crashed"
    retryable = True


class WorkerStopped(BackendError):
    status = 503
    default_code = "worker_stopped"
    retryable = True


class OutOfMemory(BackendError):
    default_code = "out_of_memory"


class EngineFailed(BackendError):
    default_code = "engine_failed"


class CardError(LocalAIError):
    """A model card that cannot be used; `str()` starts with `file:line:`."""

    default_code = "invalid_card"

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        self.path, self.line, self.reason = path, line, message
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {message}", details={"path": path, "line": line})


class ConfigError(LocalAIError):
    default_code = "invalid_setting"


_LONGEST_GUESSED = 200
"""Comparing takes long for long names, and nobody has meant them."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x' or 'y'?` for the names closest to `name`, or nothing.

    Capital letters make no difference.
    """
    if len(name) > _LONGEST_GUESSED:
        return ""
    spelled = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), spelled, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(spelled[c]) for c in close)}?" if close else ""
