"""What a manifest says, checked: its layers, and which of them are which part of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localai.references import check_relative_path
from localai.store.artifact import Kind, RemoteFile
from localai.store.errors import UnreadableArtifact
from localai.store.transports.registry import Repository

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_LAYERS = 10_000


@dataclass(frozen=True)
class Layer:
    """One blob of a manifest; `name` is the path that its annotations give, or ``."""

    media_type: str
    digest: str
    size: int
    name: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The digest without its algorithm."""
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True)
class Manifest:
    """A manifest's parts; `artifact_type` falls back to the config's media type."""

    artifact_type: str
    config: Layer | None
    layers: tuple[Layer, ...]
    digest: str


_NAMES = ("org.cncf.model.filepath", "org.opencontainers.image.title")


def read_manifest(data: Mapping[str, Any], digest: str, source: str) -> Manifest:
    """Return the checked parts; raises UnreadableArtifact for what is no manifest."""
    layers = data.get("layers") if "layers" in data else data.get("blobs")
    if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
        raise UnreadableArtifact(f"{source} is not a manifest that is read here: no layers.")
    config = data.get("config")
    read = _layer(config, source) if isinstance(config, dict) else None
    kind = data.get("artifactType") or (read.media_type if read else "")
    return Manifest(str(kind), read, tuple(_layer(one, source) for one in layers), digest)


def choose_of_index(data: Mapping[str, Any], source: str) -> str:
    """Return the digest of the manifest to take from an index: for this kind of machine, or any."""
    entries = [one for one in data.get("manifests") or () if isinstance(one, dict)]

    def rank(entry: Mapping[str, Any]) -> int:
        platform = entry.get("platform") or {}
        system = platform.get("os") if isinstance(platform, dict) else None
        return {"linux": 0, None: 1, "unknown": 3}.get(system, 2)

    digests = [str(one.get("digest")) for one in sorted(entries, key=rank)]
    good = [digest for digest in digests if _DIGEST.fullmatch(digest)]
    if not good:
        raise UnreadableArtifact(f"{source} is an index without manifests.")
    return good[0]


def remote_file(
    repository: Repository, layer: Layer, path: str, kind: Kind, *, archive: bool = False,
    inside: str = "",
) -> RemoteFile:  # fmt: skip
    """Return a layer as a file to fetch."""
    return RemoteFile(
        path=check_relative_path(path),
        url=repository.blob_url(layer.digest),
        size=layer.size,
        sha256=layer.sha256,
        headers=repository.headers,
        certificates=repository.certificates,
        kind=kind,
        renew=repository.renew,
        archive=archive,
        inside=inside,
    )


def _layer(data: object, source: str) -> Layer:
    if not isinstance(data, dict):
        raise UnreadableArtifact(f"{source} has a layer that is no object.")
    digest, size = data.get("digest"), data.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise UnreadableArtifact(f"{source} has a layer without a sha256 digest: '{digest}'.")
    if not isinstance(size, int) or size < 0:
        raise UnreadableArtifact(f"{source} has a layer of the size '{size}'.")
    found = data.get("annotations")
    annotations = {str(key): str(value) for key, value in (found or {}).items()}
    given = [annotations[key] for key in _NAMES if annotations.get(key)]
    name = given[0] if given else str(data.get("name") or "")
    return Layer(str(data.get("mediaType", "")), digest, size, name, annotations)
