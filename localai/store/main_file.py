"""Which of a model's files is its main one, where its source does not say."""

from __future__ import annotations

from collections.abc import Iterable

from localai.file_kinds import is_gguf
from localai.store.artifact import Artifact
from localai.store.errors import UnreadableArtifact
from localai.store.gguf_files import is_projector
from localai.store.records import StoredFile


def main_path(artifact: Artifact, files: Iterable[StoredFile]) -> str:
    """Return the path of the main file, or of the folder, from the store's folder."""
    if artifact.model:
        return f"{artifact.folder}/{artifact.model}"
    paths = sorted(file.path for file in files)
    if not paths:
        raise UnreadableArtifact(f"{artifact.reference} holds no model: no file came of it.")
    ggufs = [path for path in paths if is_gguf(path) and not is_projector(path)]
    voices = [path for path in paths if path.endswith(".onnx")]
    named = [path for path in paths if path.endswith("/model.file")]
    if ggufs:  # of a split file the first part
        return ggufs[0]
    if len(voices) == 1:
        return voices[0]
    return named[0] if named else artifact.folder
