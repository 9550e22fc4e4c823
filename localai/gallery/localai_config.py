"""LocalAI's model configuration, as its galleries hold it, to what an entry says of its card.

The keys are translated by the importer of LocalAI's YAML. What is special here is that the files
are not there yet: which of them is the model, and which its eyes, shows in their names alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.cards.importers.draft import conversations
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.localai_place import Place
from localai.cards.importers.localai_yaml import import_localai
from localai.cards.importers.notes import Note
from localai.cards.resolved import Backends
from localai.file_kinds import is_gguf
from localai.protocol.capabilities import Capability

_NOWHERE = Path("/dev/null/gallery")
"""A folder in which no file of the same name can lie by chance."""
_OFFERED: Mapping[str, Capability] = {
    "chat": Capability.CHAT, "completion": Capability.COMPLETION, "edit": Capability.COMPLETION,
    "vision": Capability.VISION, "embeddings": Capability.EMBEDDING,
    "transcript": Capability.TRANSCRIPTION, "tts": Capability.SPEECH, "image": Capability.IMAGE,
    "vad": Capability.VOICE_ACTIVITY,
}  # fmt: skip


class NotRunnable(Exception):
    """Why a model cannot be run here, as half a sentence."""


@dataclass(frozen=True)
class Translation:
    """What an entry says of its card, with capabilities filled in."""

    card: Mapping[str, Any]
    capabilities: Sequence[str]
    notes: tuple[str, ...]
    lost: tuple[Note, ...]
    """Those of the notes that tell what was asked for and the card will not have."""


def translate(
    config: Mapping[str, Any], files: Mapping[str, str], backends: Backends
) -> Translation:
    """Return what `config` means here; `files` are the entry's, path to uri. Raises NotRunnable."""
    completed = _complete(config, files)
    if any(_is_ggml_whisper(path) for path in files):
        raise NotRunnable(
            "its files are whisper.cpp's; faster_whisper reads Whisper in CTranslate2's format, "
            "such as hf://Systran/faster-whisper-base"
        )
    try:
        imported = import_localai(completed, Place(_NOWHERE, backends))
    except CannotImport as error:
        raise NotRunnable(error.reason.rstrip(".")) from None
    return _translation(completed, imported, backends)


def _complete(config: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """Return `config` with what the names of the files tell."""
    completed = dict(config)
    eyes = [path for path in files if "mmproj" in path.rpartition("/")[2].lower()]
    if len(eyes) == 1 and not config.get("mmproj"):
        completed["mmproj"] = eyes[0]
    parameters = config.get("parameters")
    parameters = dict(parameters) if isinstance(parameters, Mapping) else {}
    models = [path for path in files if path not in eyes]
    if len(models) == 1 and parameters.get("model") not in files and is_gguf(models[0]):
        parameters["model"] = models[0]
    completed["parameters"] = parameters
    listed = config.get("download_files")
    completed["download_files"] = [
        *(listed if isinstance(listed, list) else ()),
        *({"filename": path, "uri": uri} for path, uri in files.items()),
    ]
    if isinstance(template := config.get("template"), Mapping):
        # A GGUF file brings the template that the model learned, with its own way to call tools.
        completed["template"] = {**template, "use_tokenizer_template": True}
    return completed


def _translation(config: Mapping[str, Any], imported: Imported, backends: Backends) -> Translation:
    card = dict(imported.card)
    manifest = backends[card["backend"]][1]
    _check_uses(config, card["backend"], manifest.capabilities)
    usual = manifest.usual_capabilities(manifest.option_defaults() | card.get("options", {}))
    if card["backend"] == "llama_cpp":
        limits = dict(card.get("limits", {}))
        # Each conversation has that much context here: few of them keep to LocalAI's memory.
        limits.setdefault("max_concurrent", conversations(limits.get("context") or 0))
        card["limits"] = limits
    return Translation(
        card=card,
        capabilities=card.get("capabilities") or [one.value for one in usual],
        notes=imported.notes,
        lost=imported.lost,
    )


def _check_uses(
    config: Mapping[str, Any], backend: str, capabilities: Collection[Capability]
) -> None:
    uses = config.get("known_usecases")
    names = [str(use).lower().removeprefix("flag_") for use in uses] if uses else []
    if names and not any(_OFFERED.get(name) in capabilities for name in names):
        raise NotRunnable(f"it is for {', '.join(names)}, which {backend} does not do here")


def _is_ggml_whisper(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("ggml-") and name.endswith(".bin")
