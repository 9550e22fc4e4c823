"""What goes wrong when a model is fetched, each with what to do about it.

RequestError
├── NotInRegistry        404  the registry, hub or host does not have it
├── AccessRefused        403  a token is missing, or is not good enough
├── UnsafeFile           400  a format that can run code, or a path that leaves its folder
├── UnreadableArtifact   400  a manifest or an archive of a kind that is not read here
├── InUse                409  a process has the model open
├── AlreadyThere         409  another model, or another version, has the name or the file
└── UnreadableRecord     409  a record of the store is damaged, so nothing may be removed
StoreError
├── FetchFailed          502  the network or the other side, after all attempts
│   ├── Unreachable      502  no server answered at all: there is no network, or the host is down
│   ├── Distrusted       502  the other side's certificate is not one that is trusted here
│   ├── Overtaken        409  another process changed the same files meanwhile: once more
│   └── Offline          502  HF_HUB_OFFLINE forbids to ask
├── WrongFile            502  other content than announced: length, hash, kind
├── DiskFull             507
├── CannotWrite          500  a folder that cannot be written
└── Cancelled            499
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.errors import LocalAIError, RequestError


class NotInRegistry(RequestError):
    status = 404
    default_code = "model_source_not_found"


class AccessRefused(RequestError):
    status = 403
    default_code = "model_source_refused"


class UnsafeFile(RequestError):
    default_code = "unsafe_file"


class UnreadableArtifact(RequestError):
    default_code = "unreadable_artifact"


class InUse(RequestError):
    status = 409
    default_code = "model_in_use"


class AlreadyThere(RequestError):
    status = 409
    default_code = "already_there"


class UnreadableRecord(RequestError):
    status = 409
    default_code = "unreadable_record"


class StoreError(LocalAIError):
    """Failures of the other side, of the line or of the disk."""


class FetchFailed(StoreError):
    """Nothing came: `reason` says why, and the message with the `advice` what to do about it."""

    status = 502
    default_code = "fetch_failed"
    retryable = True

    def __init__(
        self,
        reason: str,
        *,
        advice: str = "",
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        message = f"{reason} {advice}" if advice else reason
        super().__init__(message, retry_after=retry_after, details=details)
        self.reason = reason


class Unreachable(FetchFailed):
    """Nobody answered at `host`; once there is a network again the same may succeed."""

    default_code = "unreachable"

    def __init__(
        self, reason: str, *, host: str, advice: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(reason, advice=advice, retry_after=retry_after, details={"host": host})
        self.host = host


class Distrusted(FetchFailed):
    default_code = "untrusted_certificate"


class Offline(FetchFailed):
    default_code = "offline"
    retryable = False


class Overtaken(FetchFailed):
    """Another process changed the same files meanwhile: the next attempt finds them as they are."""

    status = 409
    default_code = "overtaken"


class WrongFile(StoreError):
    status = 502
    default_code = "wrong_file"


class DiskFull(StoreError):
    status = 507
    default_code = "disk_full"


class CannotWrite(StoreError):
    default_code = "cannot_write"


class Cancelled(StoreError):
    status = 499
    default_code = "cancelled"


def not_as_asked(source: str, wanted: str, setting: str) -> FetchFailed:
    """Return the error for an answer that is not what was `wanted`; `setting` is who is asked."""
    return FetchFailed(
        f"{source} did not answer with {wanted}, as in a network that wants a login first.",
        advice=f"Log in to the network with a browser, or check {setting}, then try again.",
    )


def gated(page: str) -> str:
    """Return what to do about a model of the hub whose terms have to be accepted on `page`."""
    return (
        f"{page} is gated: accept its terms there, wait for the grant where it says so, and set "
        "HF_TOKEN to a token of that account which may read gated repositories."
    )


def wrong_hash(name: str, found: str, expected: str) -> WrongFile:
    """Return the error that says both hashes."""
    return WrongFile(
        f"{name} has the hash {found}, not the expected {expected}: it was damaged on its way or "
        "is another file, and nothing of it is kept.",
        code="wrong_hash",
        details={"expected": expected, "found": found},
    )
