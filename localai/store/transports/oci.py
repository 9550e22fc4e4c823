"""Container registries: Docker Model Runner, CNCF ModelPack, RamaLama's images, Ollama's layers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import PurePosixPath

from localai.file_kinds import is_weights
from localai.network.reach import ANYWHERE, Reach
from localai.references import OciReference
from localai.store.artifact import Artifact, Kind, RemoteFile, kind_of
from localai.store.errors import UnreadableArtifact
from localai.store.transports import ollama
from localai.store.transports.manifest import (
    Layer,
    Manifest,
    choose_of_index,
    read_manifest,
    remote_file,
)
from localai.store.transports.registry import Repository

_DOCKER = "application/vnd.docker.ai."
_CNCF = "application/vnd.cncf.model."
_IMAGE_LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
)
_MODELS_FOLDER = "models"
_ORAS_FOLDER = "io.deis.oras.content.unpack"
_DOCKER_FILES: Mapping[str, tuple[str, Kind]] = {
    "gguf.v3": ("model.gguf", "model"),
    "safetensors": ("model.safetensors", "model"),
    "dduf": ("model.dduf", "model"),
    "mmproj": ("mmproj.gguf", "projector"),
    "license": ("LICENSE", "license"),
    "chat.template.jinja": ("chat_template.jinja", "template"),
    "model.file": ("file", "other"),
}


def resolve(
    reference: OciReference, reach: Reach = ANYWHERE, cancel: threading.Event | None = None
) -> Artifact:
    """Return the files of the artifact or image, asked for within `reach` until `cancel` is set.

    Raises UnreadableArtifact for kinds that are not read here.
    """
    repository = Repository(reference.host, reference.repository, reach, cancel)
    data, digest = repository.manifest(reference.digest or reference.tag)
    if "manifests" in data:
        data, digest = repository.manifest(choose_of_index(data, str(reference)))
    manifest = read_manifest(data, digest, str(reference))
    files, notes = _files(reference, repository, manifest)
    return Artifact(
        reference=reference,
        folder=folder_of(reference),
        files=tuple(files),
        model=_main(files),
        revision=digest,
        notes=notes,
    )


def folder_of(reference: OciReference) -> str:
    """Return where the model lives in the store."""
    version = reference.tag if reference.digest is None else reference.digest.replace(":", "-")
    return f"oci/{reference.host.replace(':', '-')}/{reference.repository}/{version}"


def _files(
    reference: OciReference, repository: Repository, manifest: Manifest
) -> tuple[list[RemoteFile], tuple[str, ...]]:
    types = [layer.media_type for layer in manifest.layers]
    if any(one.startswith(ollama.LAYER) for one in types):
        return ollama.layer_files(manifest, partial(remote_file, repository))
    if any(one.startswith(_CNCF) for one in types):
        return _modelpack(repository, manifest)
    if any(one.startswith(_DOCKER) for one in types):
        return _docker_model(repository, manifest)
    if any(is_weights(layer.name) for layer in manifest.layers):
        return _named_files(repository, manifest)
    if types and all(one.startswith(_IMAGE_LAYERS) for one in types):
        return _image(repository, manifest)
    raise UnreadableArtifact(
        f"{reference} is an artifact of the type '{manifest.artifact_type or 'unknown'}' and "
        "holds no model in a form that is read here: Docker Model Runner's, CNCF ModelPack, "
        "RamaLama's images and artifacts, Ollama's layers, or files under their names as `oras "
        "push` has them."
    )


def _docker_model(
    repository: Repository, manifest: Manifest
) -> tuple[list[RemoteFile], tuple[str, ...]]:
    """Docker Model Runner: one layer a file; folders and settings of vLLM as tar."""
    files: list[RemoteFile] = []
    notes: list[str] = []
    ggufs = [one for one in manifest.layers if one.media_type == f"{_DOCKER}gguf.v3"]
    for layer in manifest.layers:
        kind = layer.media_type.removeprefix(_DOCKER)
        if kind.endswith(".tar"):
            name = f"{kind.replace('.', '-')}-{layer.sha256[:8]}.tar"
            files.append(remote_file(repository, layer, name, "other", archive=True))
        elif kind in _DOCKER_FILES:
            usual, meant = _DOCKER_FILES[kind]
            if layer in ggufs and len(ggufs) > 1 and not layer.name:
                number = ggufs.index(layer) + 1
                usual = f"model-{number:05}-of-{len(ggufs):05}.gguf"
            files.append(_named(repository, layer, usual, meant, files))
        else:
            notes.append(f"A layer of the type '{layer.media_type}' is not read here.")
    return files, tuple(notes)


def _modelpack(
    repository: Repository, manifest: Manifest
) -> tuple[list[RemoteFile], tuple[str, ...]]:
    """CNCF ModelPack: weights, their settings and documents, raw or as tar; code stays away."""
    files: list[RemoteFile] = []
    notes: list[str] = []
    for layer in manifest.layers:
        role, _, form = layer.media_type.removeprefix(_CNCF).partition(".v1.")
        if not layer.media_type.startswith(_CNCF) or role in {"code", "dataset"}:
            notes.append(f"The {role} layer '{layer.name}' is left out: it is not a model's file.")
        elif form.startswith("tar"):
            name = f"layer-{layer.sha256[:12]}.tar"
            files.append(remote_file(repository, layer, name, "other", archive=True))
        else:
            usual = {"gguf": "model.gguf", "safetensors": "model.safetensors"}.get(form, "file")
            files.append(_named(repository, layer, usual, "model", files))
    return files, tuple(notes)


def _named_files(
    repository: Repository, manifest: Manifest
) -> tuple[list[RemoteFile], tuple[str, ...]]:
    """Files whose names alone count, as `podman artifact add` (RamaLama's) and `oras push` leave.

    Of what kind such a layer says to be is no matter: with oras all are tars, and most are none.
    """
    files: list[RemoteFile] = []
    notes: list[str] = []
    for layer in manifest.layers:
        if layer.annotations.get(_ORAS_FOLDER) == "true":
            name = f"layer-{layer.sha256[:12]}.tar"
            files.append(remote_file(repository, layer, name, "other", archive=True))
        elif layer.name:
            files.append(_named(repository, layer, "", "other", files))
        else:
            notes.append(f"A layer of the type '{layer.media_type}' without a name is left out.")
    return files, tuple(notes)


def _image(repository: Repository, manifest: Manifest) -> tuple[list[RemoteFile], tuple[str, ...]]:
    """An image with a folder /models, as RamaLama's raw and car images and KServe's are."""
    files = []
    for layer in manifest.layers:
        name = f"layer-{layer.sha256[:12]}.tar"
        files.append(
            remote_file(repository, layer, name, "other", archive=True, inside=_MODELS_FOLDER)
        )
    return files, ()


def _named(
    repository: Repository, layer: Layer, usual: str, kind: Kind, before: list[RemoteFile]
) -> RemoteFile:
    path = layer.name or usual
    taken = {file.path for file in before}
    if path in taken:
        pure = PurePosixPath(path)
        path = str(pure.with_name(f"{pure.stem}-{len(taken)}{pure.suffix}"))
    found = kind_of(path) if kind in {"model", "other"} else kind
    return remote_file(repository, layer, path, found)


def _main(files: list[RemoteFile]) -> str:
    """Return the file to load, `` where only unpacking tells, or where the folder is the model."""
    models = [file.path for file in files if file.kind == "model" and not file.archive]
    ggufs = [path for path in models if path.endswith(".gguf")]
    if ggufs:
        return min(ggufs)
    return models[0] if len(models) == 1 and len(files) <= 2 else ""
