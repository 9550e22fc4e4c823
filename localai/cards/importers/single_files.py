"""Single files that are no GGUF: safetensors, ONNX, and weights in pickles."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localai.cards.importers.described import Described, not_run
from localai.cards.importers.first_bytes import HEAD, name_format
from localai.cards.importers.folders import read_json
from localai.cards.importers.imported import CannotImport
from localai.cards.importers.safetensors import read_safetensors_header
from localai.file_kinds import is_pickle
from localai.protocol.capabilities import Capability

_MOST_SPEAKERS = 10_000
_ONNX_START = 0x08
"""The first field of the file, its version, as protobuf writes it."""
_PICTURE_PARTS = {
    "conditioner.embedders.": "Stable Diffusion XL",
    "cond_stage_model.": "Stable Diffusion",
    "model.diffusion_model.": "a picture model",
    "double_blocks.": "FLUX",
}
"""Starts of names of tensors, and the model that has them; the most telling first."""
_ADAPTER_PARTS = ("lora_", ".lora_A.", ".lora_B.", ".lora.")


def describe_single_file(path: Path) -> Described:
    """Describe a file that is no GGUF; raises CannotImport for a broken one."""
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _safetensors(path)
    if suffix == ".onnx":
        return _onnx(path)
    return _something_else(path)


def _safetensors(path: Path) -> Described:
    names = read_safetensors_header(path).tensors
    if any(part in name for name in names for part in _ADAPTER_PARTS):
        return not_run(
            f"{path.name} holds an adapter (LoRA): name it in the card of its model, for diffusers "
            "as `options.lora`."
        )
    model = next((what for part, what in _PICTURE_PARTS.items() if _starts(names, part)), "")
    if not model:
        return not_run(
            f"{path.name} holds weights of a model that no backend here runs as a single file: "
            "import its folder, or fetch it as GGUF for llama_cpp."
        )
    return Described(
        "diffusers",
        f"{path.name} is {model} in a single .safetensors file: diffusers draws with it.",
        limits={"max_concurrent": 1},
        name=path.stem,
        notes=(
            "The file has weights alone: give `options.config`, a folder with the "
            "model_index.json, configs and tokenizers of the model that it was made from.",
        ),
    )


def _starts(names: Iterable[str], part: str) -> bool:
    return any(name.startswith(part) for name in names)


def _onnx(path: Path) -> Described:
    with path.open("rb") as file:
        if file.read(1) != bytes([_ONNX_START]):
            raise CannotImport("is damaged, or no ONNX model.", path=str(path))
    beside = path.with_name(f"{path.name}.json")
    voice = read_json(beside)
    if voice is not None and "phoneme_id_map" in voice:
        return _voice(path, voice)
    if voice is None and not beside.exists():
        return not_run(
            f"{path.name} is an ONNX model. Piper voices are run here, by the backend piper, with "
            f"the file {beside.name} beside them; of this one it is missing, or it is no voice."
        )
    return not_run(f"{path.name} is an ONNX model, and {beside.name} describes no Piper voice.")


def _voice(path: Path, voice: dict[str, object]) -> Described:
    speakers = voice.get("num_speakers")
    language = voice.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    said = f" in {code}" if isinstance(code, str) else ""
    named = voice.get("speaker_id_map")
    names = [str(name) for name in named] if isinstance(named, dict) else []
    numbers = range(min(speakers, _MOST_SPEAKERS)) if isinstance(speakers, int) else ()
    count = f" with {speakers} speakers" if isinstance(speakers, int) and speakers > 1 else ""
    return Described(
        "piper",
        f"{path.name} is a Piper voice{said}{count}: piper speaks with it.",
        capabilities=(Capability.SPEECH,),
        name=path.stem,
        speakers=(*names, *map(str, numbers)),
    )


def _something_else(path: Path) -> Described:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"lmgg"):
        return not_run(
            f"{path.name} is in the old GGML format, as Whisper models for whisper.cpp are: fetch "
            "Whisper in CTranslate2's format for faster_whisper, and other models as GGUF."
        )
    if is_pickle(path.name):
        return not_run(
            f"{path.name} is a pickle, which can run any code when it is read: fetch the model as "
            ".safetensors or .gguf."
        )
    return not_run(f"{path.name} is no model that a backend here runs: it is {name_format(head)}.")
