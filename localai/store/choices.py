"""How a caller wants a model pulled."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from localai.store.preview import Check
from localai.store.progress import Report, ignore


@dataclass(frozen=True)
class Choices:
    """What `Store.pull` says of each of them."""

    trust: bool = False
    sha256: str | None = None
    force: bool = False
    projector: bool = True
    check: Check | None = None
    progress: Report = ignore
    cancel: threading.Event | None = None
