"""Ollama's registry, and hosts that speak its protocol: typed layers behind a tag."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from localai.network.reach import ANYWHERE, Reach
from localai.references import OLLAMA_HOST, OllamaReference, check_relative_path
from localai.store.artifact import Artifact, Kind, RemoteFile
from localai.store.errors import FetchFailed, Offline, UnreadableArtifact
from localai.store.hub_cache import is_offline
from localai.store.linking import ollama_folders
from localai.store.transports.manifest import Layer, Manifest, read_manifest, remote_file
from localai.store.transports.registry import Repository

ReadBlob = Callable[[str], bytes]
FileOf = Callable[[Layer, str, Kind], RemoteFile]
"""What makes a layer, under a path and of a kind, a file to bring here."""

_MODEL = "model.gguf"
LAYER = "application/vnd.ollama.image."
_FILES: Mapping[str, tuple[str, Kind]] = {
    "model": (_MODEL, "model"),
    "projector": ("mmproj.gguf", "projector"),
    "adapter": ("adapter.gguf", "adapter"),
    "draft": ("draft.gguf", "other"),
    "template": ("template", "template"),
    "prompt": ("template", "template"),
    "system": ("system", "system"),
    "params": ("params.json", "parameters"),
    "messages": ("messages.json", "other"),
    "license": ("license", "license"),
}
_INSTEAD = {
    "renderer": "a chat template writes the prompt here",
    "parser": "the answer is given as the model writes it",
}


def resolve(
    reference: OllamaReference, reach: Reach = ANYWHERE, cancel: threading.Event | None = None
) -> Artifact:
    """Return the layers that make the model, under names that say what they are.

    The registry is asked within `reach`, until `cancel` is set. Where it does not answer, what
    Ollama has on this machine counts; nothing else does where nobody may be asked.
    """
    if is_offline():
        return _resolve_offline(reference)
    name = f"{reference.namespace}/{reference.model}"
    repository = Repository(reference.host, name, reach, cancel)
    read_blob: ReadBlob = repository.small_blob
    notes: tuple[str, ...] = ()
    try:
        data, digest = repository.manifest(reference.tag)
    except FetchFailed as error:
        found = _local_manifest(reference)
        if found is None:
            raise
        data, digest, folder = found
        read_blob = partial(_local_blob, folder)
        notes = (f"{error.reason} The version that Ollama has here is taken.",)
    manifest = read_manifest(data, digest, str(reference))
    artifact = _artifact(reference, manifest, partial(remote_file, repository), read_blob)
    return replace(artifact, notes=(*notes, *artifact.notes))


def _resolve_offline(reference: OllamaReference) -> Artifact:
    found = _local_manifest(reference)
    if found is None:
        raise Offline(f"{reference} is not here, and HF_HUB_OFFLINE forbids to ask for it.")
    data, digest, folder = found
    manifest = read_manifest(data, digest, str(reference))
    return _artifact(
        reference, manifest, partial(_local_file, folder), partial(_local_blob, folder)
    )


def _artifact(
    reference: OllamaReference, manifest: Manifest, file_of: FileOf, read_blob: ReadBlob
) -> Artifact:
    files, left_out = layer_files(manifest, file_of)
    if not any(file.path == _MODEL for file in files):
        raise UnreadableArtifact(
            f"{reference} has no GGUF layer, so it is not read here: models that run in Ollama's "
            "cloud have no weights at all, and those in MLX form need another engine."
        )
    notes: tuple[str, ...] = ()
    if manifest.config is not None:
        notes = _left_to_ollama(read_blob(manifest.config.digest))
    return Artifact(
        reference,
        folder_of(reference),
        tuple(files),
        _MODEL,
        revision=manifest.digest,
        notes=(*notes, *left_out),
    )


def _left_to_ollama(config: bytes) -> tuple[str, ...]:
    """Return a sentence for each part of the conversation that Ollama's own code would do."""
    try:
        data = json.loads(config)
    except ValueError:
        return ()
    return tuple(
        f"The model's {part} '{data[part]}' is code of Ollama's own and left out: {instead}."
        for part, instead in _INSTEAD.items()
        if isinstance(data, dict) and data.get(part)
    )


def _local_manifest(reference: OllamaReference) -> tuple[dict[str, Any], str, Path] | None:
    """Return what Ollama noted of the model here: the manifest, its digest, and its own folder."""
    parts = (reference.host, reference.namespace, reference.model, reference.tag)
    for folder in ollama_folders():
        try:
            content = folder.joinpath("manifests", *parts).read_bytes()
            data = json.loads(content)
        except (OSError, ValueError):
            continue
        if isinstance(data, dict):
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            return data, digest, folder
    return None


def _local_place(folder: Path, digest: str) -> Path:
    place = folder.absolute() / "blobs" / digest.replace(":", "-")
    if not place.is_file():
        raise Offline(
            f"Ollama has only a part of the model here, {place} is not there: pull it with a "
            "network, or with `ollama pull`."
        )
    return place


def _local_blob(folder: Path, digest: str) -> bytes:
    return _local_place(folder, digest).read_bytes()


def _local_file(folder: Path, layer: Layer, path: str, kind: Kind) -> RemoteFile:
    url = _local_place(folder, layer.digest).as_uri()
    return RemoteFile(check_relative_path(path), url, layer.size, layer.sha256, kind=kind)


def layer_files(manifest: Manifest, file_of: FileOf) -> tuple[list[RemoteFile], tuple[str, ...]]:
    """Return the layers as files, and a sentence for each that is left out."""
    files: list[RemoteFile] = []
    notes: list[str] = []
    for layer in manifest.layers:
        known = _FILES.get(layer.media_type.removeprefix(LAYER))
        if known is None or not layer.media_type.startswith(LAYER):
            notes.append(f"A layer of the type '{layer.media_type}' is not read here.")
            continue
        path = _free_name(known[0], {file.path for file in files})
        files.append(file_of(layer, path, known[1]))
    return files, tuple(notes)


def folder_of(reference: OllamaReference) -> str:
    """Return where the model lives in the store."""
    host = "" if reference.host == OLLAMA_HOST else f"{reference.host.replace(':', '-')}/"
    return f"ollama/{host}{reference.namespace}/{reference.model}/{reference.tag}"


def _free_name(name: str, taken: set[str]) -> str:
    """Return `license`, then `license-2` and so on; a model may be split into several layers."""
    stem, dot, suffix = name.partition(".")
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{stem}-{number}{dot}{suffix}"
    return free
