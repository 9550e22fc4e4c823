"""What a transport found behind a reference: the files to fetch, before any of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from localai.concealing import shown_url
from localai.file_kinds import is_weights
from localai.network.reach import ANYWHERE, Reach
from localai.network.tls import USUAL, Certificates
from localai.references import Reference, check_relative_path
from localai.store.gguf_files import is_projector

Kind = Literal[
    "model", "projector", "adapter", "template", "system", "parameters", "license", "other"
]
_TEXTS: Mapping[str, Kind] = {".jinja": "template", "LICENSE": "license"}


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    `path` is relative to the model's folder; `size` is in bytes; `sha256` in hex, of the whole
    file; `git_oid` is git's hash where there is no sha256. `headers` go to the origin of `url`
    alone, and `renew` makes fresh ones when they have run out. An `archive` (tar) is unpacked, and
    of its content only what lies below `inside` is kept. Of a `trusted` file a pickle is taken.
    `reach` is how far the way to its bytes may lead, and `certificates` what counts
    on it.
    """

    path: str
    url: str
    size: int | None = None
    sha256: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: Kind = "other"
    git_oid: str | None = None
    renew: Callable[[], Mapping[str, str]] | None = field(default=None, compare=False, repr=False)
    archive: bool = False
    inside: str = ""
    trusted: bool = False
    reach: Reach = ANYWHERE
    certificates: Certificates = USUAL

    def __post_init__(self) -> None:
        check_relative_path(self.path)

    @property
    def source(self) -> str:
        """The address as anybody may see it."""
        return shown_url(self.url)


@dataclass(frozen=True)
class Artifact:
    """A model before it is fetched.

    `folder` is where it lives in the store; `model` is the path of its main file in it, or `` for
    a model that is a whole folder. For a repository of the hub `revision` is the commit. `notes`
    say what was left out, and why.
    """

    reference: Reference
    folder: str
    files: tuple[RemoteFile, ...]
    model: str = ""
    revision: str = ""
    notes: tuple[str, ...] = ()


def kind_of(path: str, model: str = "") -> Kind:
    """Return what a file is for by its name; `model` is the path of the main one, if known."""
    if is_projector(path):
        return "projector"
    for end, kind in _TEXTS.items():
        if path.endswith(end):
            return kind
    return "model" if path == model or is_weights(path) else "other"
