"""A model without its source: what the store's own records still say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from localai.references import HubReference, Reference
from localai.store.artifact import Artifact, RemoteFile
from localai.store.errors import NotInRegistry
from localai.store.records import StoredFile, StoredModel
from localai.store.repository_files import choose_files
from localai.store.transports.hub import folder_of


def artifact_from_records(reference: Reference, models: Sequence[StoredModel]) -> Artifact | None:
    """Return the files that were pulled for another reference to the same model of the hub.

    Only a file or a quantisation names its files exactly; None for everything else.
    """
    if not isinstance(reference, HubReference) or not (reference.file or reference.quant):
        return None
    folder = folder_of(reference)
    there = dict(_files_below(folder, models))
    try:
        paths, model = choose_files(list(there), reference.file, reference.quant, reference.repo)
    except NotInRegistry:
        return None
    files = tuple(_remote(path, there[path]) for path in paths)
    return Artifact(reference, folder, files, model)


def _files_below(folder: str, models: Iterable[StoredModel]) -> Iterable[tuple[str, StoredFile]]:
    for model in models:
        for file in model.files:
            if file.path.startswith(f"{folder}/"):
                yield file.path.removeprefix(f"{folder}/"), file


def _remote(path: str, file: StoredFile) -> RemoteFile:
    return RemoteFile(path, file.origin, file.size, file.sha256, kind=file.kind)
