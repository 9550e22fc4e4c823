"""GGUF files: chat and embedding models for llama.cpp, projectors, and what it cannot run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localai.cards.importers.described import Described, not_run
from localai.cards.importers.gguf import GgufHeader, read_gguf_header
from localai.cards.importers.imported import CannotImport
from localai.cards.shards import shards_of
from localai.protocol.capabilities import Capability

_EMBEDDING = frozenset(
    {
        "bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2",
        "jina-bert-v3", "eurobert", "t5encoder", "gemma-embedding", "llama-embed",
    }
)  # fmt: skip
_PICTURES = frozenset(
    {
        "flux", "sd1", "sdxl", "sd3", "aura", "hidream", "cosmos", "ltxv", "hyvid", "wan",
        "lumina2", "qwen_image", "pixart", "z_image",
    }
)  # fmt: skip
"""Architectures of picture and film models that other engines keep in GGUF files."""
_OTHERS = {
    "wavtokenizer-dec": "is the half of a speech model that makes sound of tokens",
    "whisper": "is a Whisper model for whisper.cpp; fetch the model in CTranslate2's format, which "
    "faster_whisper runs",
    "t5": "has an encoder and a decoder, which llama_cpp's worker does not run",
}
_SAMPLING = {
    "temp": "temperature", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p",
    "penalty_repeat": "repeat_penalty",
}  # fmt: skip
_POOLED = frozenset({"mean", "cls", "last"})
_SEES, _HEARS = "clip.has_vision_encoder", "clip.has_audio_encoder"


def describe_gguf(path: Path) -> Described:
    """Describe a GGUF file by its header; raises CannotImport for a broken one."""
    header = read_gguf_header(path)
    reason = _not_a_whole_model(header)
    if reason and _is_projector(header):
        senses = _senses(header) if header.byte_order == sys.byteorder else ()
        return not_run(f"{path.name} {reason}.", is_projector=True, capabilities=senses)
    if reason:
        return not_run(f"{path.name} {reason}.", name=header.name)
    notes = tuple(_split_notes(header))
    if header.pooling in _POOLED or header.architecture in _EMBEDDING:
        return _embedding(header, notes)
    return _chat(header, notes)


def _not_a_whole_model(header: GgufHeader) -> str:
    """Return why a file cannot be a card's model, or nothing."""
    architecture = header.architecture
    if header.byte_order != sys.byteorder:
        return (
            f"is written for {header.byte_order}-endian processors, and this one is "
            f"{sys.byteorder}-endian: fetch the usual file"
        )
    if not architecture:
        return "names no architecture (general.architecture), so that nothing can run it"
    if _is_projector(header):
        kind = f" of the type {header.projector_type}" if header.projector_type else ""
        return (
            f"is a projector{kind}, the eyes or ears of another model: import that model's file, "
            "and name this one in its card as `options.mmproj`"
        )
    if header.kind == "adapter":
        return "is an adapter (LoRA) of another model, and llama_cpp takes none: merge both first"
    if header.split_number > 0:
        first = shards_of(header.path.name)[0]
        return f"is part {header.split_number + 1} of {header.split_count}: give the first, {first}"
    if header.pooling == "rank":
        return "is a reranker, and no backend here ranks"
    if architecture in _PICTURES:
        return (
            f"is a picture model ({architecture}) in GGUF: fetch the model's folder in diffusers' "
            "format, which the backend diffusers runs"
        )
    return _OTHERS.get(architecture, "")


def _is_projector(header: GgufHeader) -> bool:
    return header.kind == "mmproj" or header.architecture == "clip"


def _split_notes(header: GgufHeader) -> Iterator[str]:
    shards = shards_of(header.path.name)
    if header.split_count > 1 and len(shards) != header.split_count:
        yield (
            f"The model is split into {header.split_count} files, which llama.cpp finds by names "
            "like NAME-00001-of-00003.gguf: rename them back."
        )
    missing = [shard for shard in shards if not header.path.with_name(shard).exists()]
    if missing:
        yield f"{len(missing)} of the model's {len(shards)} files are not here: {missing[0]}, …"


def _embedding(header: GgufHeader, notes: tuple[str, ...]) -> Described:
    how = f"pools its tokens ({header.pooling})" if header.pooling else "reads texts for vectors"
    return Described(
        "llama_cpp",
        f"{header.path.name} is a GGUF model of the architecture {header.architecture} that {how}: "
        "llama_cpp runs it for embeddings.",
        capabilities=(Capability.EMBEDDING,),
        name=header.name,
        context=header.context_length,
        notes=notes,
    )


def _chat(header: GgufHeader, notes: tuple[str, ...]) -> Described:
    projector, capabilities, more = _projector(header)
    options: dict[str, Any] = {} if projector is None else {"mmproj": str(projector)}
    if header.chat_template is None:
        more = (*more, _WITHOUT_TEMPLATE)
    quantised = f" in {header.file_type}" if header.file_type else ""
    return Described(
        "llama_cpp",
        f"{header.path.name} is a GGUF language model of the architecture {header.architecture}"
        f"{quantised}: llama_cpp runs it"
        + (f", and sees through {projector.name}." if projector else "."),
        capabilities=capabilities,
        options=options,
        defaults=dict(_sampling(header)),
        name=header.name,
        chat_template=header.chat_template,
        context=header.context_length,
        notes=(*notes, *more),
    )


_WITHOUT_TEMPLATE = (
    "The file names no chat template, as models do that only continue texts: chats are written in "
    "ChatML's form unless `options.chat_template` says otherwise."
)


def _sampling(header: GgufHeader) -> Iterator[tuple[str, int | float]]:
    for key, parameter in _SAMPLING.items():
        value = header.metadata.get(f"general.sampling.{key}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            # Written with 32 bits: 0.6 is meant where 0.6000000238 stands.
            yield parameter, value if isinstance(value, int) else float(f"{value:.6g}")


def _projector(
    header: GgufHeader,
) -> tuple[Path | None, tuple[Capability, ...], tuple[str, ...]]:
    """Return the projector that lies beside a model and fits it, what it adds, and notes."""
    found: list[GgufHeader] = []
    notes: list[str] = []
    for path in sorted(header.path.parent.glob("*mmproj*.gguf")):
        try:
            projector = read_gguf_header(path)
        except CannotImport as error:
            notes.append(f"The projector beside it is left out: {error}")
            continue
        if _fits(projector, header):
            found.append(projector)
        elif projector.architecture == "clip":
            notes.append(f"{path.name} lies beside it, but belongs to a model of another width.")
    if not found:
        return None, (), tuple(notes)
    chosen, *others = found
    notes += [f"{one.path.name} would fit too; {chosen.path.name} is used." for one in others]
    return chosen.path, _senses(chosen), tuple(notes)


def _fits(projector: GgufHeader, model: GgufHeader) -> bool:
    if projector.architecture != "clip":
        return False
    keys = ("clip.vision.projection_dim", "clip.audio.projection_dim")
    widths = {projector.metadata[key] for key in keys if key in projector.metadata}
    return not widths or model.embedding_length is None or model.embedding_length in widths


def _senses(projector: GgufHeader) -> tuple[Capability, ...]:
    """Return all that the model can do, empty where it is what `mmproj` gives anyway."""
    hears = projector.metadata.get(_HEARS) is True
    sees = projector.metadata.get(_SEES, not hears) is True
    if not hears:
        return ()
    senses = (Capability.VISION, Capability.HEARING) if sees else (Capability.HEARING,)
    return (Capability.CHAT, Capability.COMPLETION, *senses)
