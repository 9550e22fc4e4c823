"""What the pool tells a new worker, and what the worker answers on its status pipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from localai.protocol.capabilities import Capability


class LaunchSpec(BaseModel):
    """All that a worker needs, written as `launch.json` into its own folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """The model's name, as answers carry it."""
    backend: Path
    """The backend's folder, with `backend.yaml`."""
    socket: Path
    model: Path | None = None
    options: dict[str, Any] = {}
    """The card's options, with the backend's defaults filled in."""
    capabilities: list[Capability] = []
    """What the card promises; empty = what the backend does of itself."""
    max_concurrent: int = 8
    lenient: bool = False
    status_fd: int | None = None
    """Where status lines go; None when a person starts the worker by hand."""
    parent_pid: int | None = None
    """The worker ends when this process has ended."""


class WorkerInfo(BaseModel):
    """`GET /info` of a worker."""

    model_config = ConfigDict(frozen=True)

    name: str
    backend: str
    capabilities: list[Capability]
    context_length: int | None = None
    max_concurrent: int
    footprint: dict[str, int] = {}
    """Bytes in use: `host`, and `device` where there is one."""
    build: dict[str, str] = {}
    """Versions of the engine and its parts."""


class Loading(BaseModel):
    """The worker's process runs and starts to load the model."""

    status: Literal["loading"] = "loading"


class Ready(BaseModel):
    """The worker listens on its socket."""

    status: Literal["ready"] = "ready"
    info: WorkerInfo


class Failed(BaseModel):
    """The model did not load; the worker ends."""

    status: Literal["failed"] = "failed"
    message: str
    code: str | None = None


Status = Annotated[Loading | Ready | Failed, Field(discriminator="status")]
_STATUS: TypeAdapter[Loading | Ready | Failed] = TypeAdapter(Status)


def parse_status(line: bytes) -> Loading | Ready | Failed:
    """Read one line of the status pipe."""
    return _STATUS.validate_json(line)
