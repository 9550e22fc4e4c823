"""What goes wrong when a model is fetched, each with what to do about it.

RequestError
├── InvalidReference     400  no such form of reference, or a name that cannot be used as a path
├── NotInRegistry        404  the registry, hub or host does not have it
├── AccessRefused        403  a token is missing, or is not good enough
├── UnsafeFile           400  a format that can run code, or a path that leaves its folder
├── UnreadableArtifact   400  a manifest or an archive of a kind that is not read here
└── InUse                409  a process has the model open
StoreError
├── FetchFailed          502  the network or the other side, after all attempts
├── WrongFile            502  other content than announced: length, hash, kind
├── DiskFull             507
└── Cancelled            499
"""

from __future__ import annotations

from localai.errors import InvalidRequest, LocalAIError, RequestError


class InvalidReference(InvalidRequest):
    default_code = "invalid_reference"


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


class StoreError(LocalAIError):
    """Failures of the other side, of the line or of the disk."""


class FetchFailed(StoreError):
    status = 502
    default_code = "fetch_failed"
    retryable = True


class WrongFile(StoreError):
    status = 502
    default_code = "wrong_file"


class DiskFull(StoreError):
    status = 507
    default_code = "disk_full"


class Cancelled(StoreError):
    status = 499
    default_code = "cancelled"
