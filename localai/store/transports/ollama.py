"""Ollama's registry, and hosts that speak its protocol: typed layers behind a tag."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from localai.network.reach import ANYWHERE, Reach
from localai.references import OLLAMA_HOST, OllamaReference
from localai.store.artifact import Artifact, Kind, RemoteFile
from localai.store.errors import FetchFailed, UnreadableArtifact
from localai.store.linking import ollama_folders
from localai.store.transports.manifest import Manifest, read_manifest, remote_file
from localai.store.transports.registry import Repository

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
    Ollama has on this machine counts.
    """
    name = f"{reference.namespace}/{reference.model}"
    repository = Repository(reference.host, name, reach, cancel)
    read_blob: Callable[[str], bytes] = repository.small_blob
    notes: tuple[str, ...] = ()
    try:
        data, digest = repository.manifest(reference.tag)
    except FetchFailed as error:
        found = _local_manifest(reference)
        if found is None:
            raise
        data, digest, read_blob = found
        notes = (f"{error.message} The version that Ollama has here is taken.",)
    manifest = read_manifest(data, digest, str(reference))
    files, left_out = layer_files(repository, manifest)
    if not any(file.path == _MODEL for file in files):
        raise UnreadableArtifact(
            f"{reference} has no GGUF layer, so it is not read here: models that run in Ollama's "
            "cloud have no weights at all, and those in MLX form need another engine."
        )
    if manifest.config is not None:
        notes += _left_to_ollama(read_blob(manifest.config.digest))
    return Artifact(
        reference,
        folder_of(reference),
        tuple(files),
        _MODEL,
        revision=digest,
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


def _local_manifest(
    reference: OllamaReference,
) -> tuple[dict[str, Any], str, Callable[[str], bytes]] | None:
    """Return what Ollama noted of the model here: the manifest, its digest, a way to its blobs."""
    parts = (reference.host, reference.namespace, reference.model, reference.tag)
    for folder in ollama_folders():
        try:
            content = folder.joinpath("manifests", *parts).read_bytes()
            data = json.loads(content)
        except (OSError, ValueError):
            continue
        if isinstance(data, dict):
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            return data, digest, partial(_local_blob, folder)
    return None


def _local_blob(folder: Path, digest: str) -> bytes:
    return (folder / "blobs" / digest.replace(":", "-")).read_bytes()


def layer_files(
    repository: Repository, manifest: Manifest
) -> tuple[list[RemoteFile], tuple[str, ...]]:
    """Return the layers as files, and a sentence for each that is left out."""
    files: list[RemoteFile] = []
    notes: list[str] = []
    for layer in manifest.layers:
        known = _FILES.get(layer.media_type.removeprefix(LAYER))
        if known is None or not layer.media_type.startswith(LAYER):
            notes.append(f"A layer of the type '{layer.media_type}' is not read here.")
            continue
        path = _free_name(known[0], {file.path for file in files})
        files.append(remote_file(repository, layer, path, known[1]))
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
