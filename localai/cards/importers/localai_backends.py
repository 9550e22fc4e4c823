"""LocalAI's backends and models by name: which of ours runs them, and as what."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from localai.errors import InvalidReference
from localai.file_kinds import is_archive, is_model_file
from localai.references import OciReference, OllamaReference, is_reference, parse_reference

_HARDWARE = re.compile(
    r"^(cpu|cuda\d*|nvidia[\w-]*?|rocm|hipblas|metal[\w]*|vulkan|intel[\w-]*?|sycl\w*)-"
    r"|-(development|avx\d*|fallback|cuda\d*|grpc)$"
)
_SAME: dict[str, str] = {
    "llama-cpp": "llama_cpp", "llama": "llama_cpp", "llama-stable": "llama_cpp",
    "ik-llama-cpp": "llama_cpp", "llamacpp": "llama_cpp",
    "faster-whisper": "faster_whisper", "piper": "piper", "diffusers": "diffusers",
    "sentencetransformers": "sentence_transformers",
    "sentence-transformers": "sentence_transformers",
    "huggingface-embeddings": "sentence_transformers",
}  # fmt: skip
_INSTEAD: dict[str, str] = {
    "whisper": "fetch the Whisper model in CTranslate2's format, which faster_whisper runs",
    "whisperx": "fetch the Whisper model in CTranslate2's format, which faster_whisper runs",
    "stablediffusion": "fetch the model in diffusers' format, which diffusers runs",
    "stablediffusion-ggml": "fetch the model in diffusers' format, which diffusers runs",
    "silero-vad": "faster_whisper finds speech, with a Whisper model",
    "transformers": "fetch the model as GGUF, which llama_cpp runs",
    "vllm": "fetch the model as GGUF, which llama_cpp runs",
    "sglang": "fetch the model as GGUF, which llama_cpp runs",
    "mlx": "fetch the model as GGUF, which llama_cpp runs",
    "exllama2": "fetch the model as GGUF, which llama_cpp runs",
    "kokoro": "Piper voices are spoken here, by piper",
    "bark": "Piper voices are spoken here, by piper",
    "coqui": "Piper voices are spoken here, by piper",
    "rerankers": "no backend here ranks texts",
}
_SYSTRAN = "hf://Systran/faster-whisper-"
_WHISPERS = re.compile(r"(tiny|base|small|medium)(\.en)?|large-v[123]")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def plain_backend(name: str) -> str:
    """Return LocalAI's name of a backend without the machine that it is built for."""
    before = ""
    name = name.strip().lower()
    while before != name:
        before, name = name, _HARDWARE.sub("", name)
    return name


def our_backend(name: str, *, embeds: bool) -> str | None:
    """Return the backend that runs models of LocalAI's backend `name`, None for none."""
    plain = plain_backend(name)
    if plain == "transformers" and embeds:
        return "sentence_transformers"
    return _SAME.get(plain)


def instead_of(name: str) -> str:
    """Return what to do about a backend that is not here."""
    return _INSTEAD.get(plain_backend(name), "there is none to take its place")


def guessed_backend(model: str) -> str | None:
    """Return the backend for a model's file by its name alone."""
    suffix = PurePosixPath(model.partition("@")[0].partition("?")[0]).suffix.lower()
    known = {".gguf": "llama_cpp", ".onnx": "piper", ".safetensors": "diffusers"}
    # Models of registries are GGUF files.
    return known.get(suffix, "llama_cpp" if _is_of_a_registry(model) else None)


def hub_reference(model: str, backend: str) -> str | None:
    """Return the reference of a model that LocalAI has its engine fetch, None for a file."""
    if backend == "faster_whisper" and _WHISPERS.fullmatch(model):
        return _SYSTRAN + model
    if backend == "faster_whisper" and model in ("large", "turbo", "large-v3-turbo"):
        return {"large": f"{_SYSTRAN}large-v3"}.get(
            model, "hf://mobiuslabsgmbh/faster-whisper-large-v3-turbo"
        )
    if backend == "sentence_transformers" and re.fullmatch(r"all-[\w-]+", model):
        return f"hf://sentence-transformers/{model}"
    is_file = is_model_file(model) or is_archive(model) or model.lower().endswith((".gz", ".zip"))
    if _REPOSITORY.fullmatch(model) and not is_file:
        return f"hf://{model}"
    return None


def _is_of_a_registry(model: str) -> bool:
    try:
        return is_reference(model) and isinstance(
            parse_reference(model), OllamaReference | OciReference
        )
    except InvalidReference:
        return False
