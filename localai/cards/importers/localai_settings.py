"""LocalAI's settings for loading and sampling, as options, limits and defaults of a card."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from localai.cards.importers.described import Described
from localai.cards.importers.draft import Draft
from localai.cards.importers.localai_files import put_projector
from localai.cards.importers.localai_keys import NEUTRAL, Keys
from localai.cards.importers.localai_place import Place
from localai.cards.importers.notes import left_out, needless, shown
from localai.cards.options import CONTEXT_OPTION

_ALL_LAYERS = 999
"""LocalAI writes 99999999 for all of them."""

_SAMPLING = (
    "temperature", "top_p", "top_k", "min_p", "repeat_penalty", "frequency_penalty",
    "presence_penalty", "n", "seed", "max_tokens", "logit_bias", "language", "encoding_format",
)  # fmt: skip
_OPTIONS: dict[str, dict[str, str]] = {
    "threads": {
        "llama_cpp": "n_threads", "faster_whisper": "cpu_threads", "piper": "n_threads",
        "sentence_transformers": "n_threads",
    },
    "gpu_layers": {"llama_cpp": "n_gpu_layers"},
    "main_gpu": {"llama_cpp": "main_gpu", "faster_whisper": "device_index"},
    "tensor_split": {"llama_cpp": "tensor_split"},
    "mmap": {"llama_cpp": "use_mmap"},
    "mmlock": {"llama_cpp": "use_mlock"},
    "flash_attention": {"llama_cpp": "flash_attn"},
    "cache_type_k": {"llama_cpp": "cache_type_k"},
    "cache_type_v": {"llama_cpp": "cache_type_v"},
    "trust_remote_code": {"sentence_transformers": "trust_remote_code"},
    "dtype": {"sentence_transformers": "dtype", "diffusers": "dtype"},
    "parameters.batch": {"llama_cpp": "n_batch"},
    "parameters.pooling": {"llama_cpp": "pooling"},
    "parameters.rope_freq_base": {"llama_cpp": "rope_freq_base"},
    "parameters.rope_freq_scale": {"llama_cpp": "rope_freq_scale"},
    "parameters.negative_prompt": {"diffusers": "negative_prompt"},
    "step": {"diffusers": "steps"},
    "cfg_scale": {"diffusers": "guidance_scale"},
    "diffusers.scheduler_type": {"diffusers": "scheduler"},
}  # fmt: skip
"""LocalAI's key: our option of each backend that has it."""
_SYNONYMS: dict[str, dict[str, str]] = {
    "llama_cpp": {
        "ctx_size": "n_ctx", "ubatch": "n_ubatch", "ubatch_size": "n_ubatch",
        "batch_size": "n_batch", "gpu_layers": "n_gpu_layers", "threads": "n_threads",
        "threads_batch": "n_threads_batch", "flash_attention": "flash_attn", "mlock": "use_mlock",
        "mmap": "use_mmap",
    },
    "diffusers": {"torch_dtype": "dtype", "sampler": "scheduler", "cfg_scale": "guidance_scale"},
}  # fmt: skip
_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "f16": "float16", "fp32": "float32"}
_SCHEDULERS = {
    "k_dpmpp_2m": "dpm++_2m_karras", "dpmpp_2m": "dpm++_2m", "dpmpp_sde": "dpm++_sde",
    "dpm++2m": "dpm++_2m", "k_euler": "euler", "k_lms": "lms", "lms": "lms",
    "euler_a": "euler_a", "k_euler_a": "euler_a", "flow_match": "flow_euler",
}  # fmt: skip
_PATHS = frozenset({"config", "lora"})
"""Options that name files, beside `mmproj`."""
_ALWAYS = {
    "use_jinja": "templates are always Jinja",
    "jinja": "templates are always Jinja",
    "cache_reuse": "what prompts have in common is kept by itself",
    "cache_ram": "what prompts have in common is kept by itself",
}
"""Options that are on here, and why."""
_NEVER = {
    "context_shift": "a conversation that does not fit is refused",
    "spec_type": "no second model drafts answers here",
    "spec_n_max": "no second model drafts answers here",
    "spec_p_min": "no second model drafts answers here",
}
_OFF = frozenset({"false", "off", "no", "0", "none"})


def take_sampling(keys: Keys, draft: Draft) -> None:
    """Move `parameters` and stop texts to the card's defaults."""
    for name in _SAMPLING:
        key = f"parameters.{name}"
        if (value := _said(keys, draft, key)) is not None:
            draft.default(name, value, key)
    if (stops := keys.take("stopwords")) is not None:
        draft.default("stop", stops, "stopwords")
    if (effort := keys.take("reasoning_effort")) is not None:
        draft.default("reasoning_effort", effort, "reasoning_effort")


def take_loading(keys: Keys, draft: Draft, described: Described | None) -> None:
    """Move what LocalAI says about loading to options and limits."""
    _take_context(keys, draft)
    for key, options in _OPTIONS.items():
        if key == "parameters.negative_prompt" and draft.backend not in options:
            continue  # has a reason of its own
        if (value := _said(keys, draft, key)) is None:
            continue
        option = options.get(draft.backend)
        if option is None:
            draft.leave_out(key, f"{draft.backend} has no such option", value)
        else:
            draft.option(option, _meant(option, value), key)
    _take_speaker(keys, draft, described)
    _take_device(keys, draft)
    _take_limits(keys, draft)


def take_options(keys: Keys, draft: Draft, place: Place) -> None:
    """Move LocalAI's `key:value` options to options of the same meaning."""
    value = keys.take("options")
    for text in value if isinstance(value, list) else [] if value is None else [value]:
        said = f"options: {shown(text)}"
        name, _, setting = str(text).partition(":")
        _take_option(name.strip(), setting.strip(), said, draft, place)


def _take_option(name: str, setting: str, said: str, draft: Draft, place: Place) -> None:
    plain = name.lstrip("-").replace("-", "_")
    option = _SYNONYMS.get(draft.backend, {}).get(plain, plain)
    if plain in ("parallel", "n_parallel") and setting.isdecimal():
        draft.limit("max_concurrent", int(setting), said)
    elif plain.startswith("no_") and _known(draft, plain[3:]) and not setting:
        draft.option(_known(draft, plain[3:]), False, said)
    elif reason := _ALWAYS.get(plain) or _NEVER.get(plain):
        is_so = (setting.lower() in _OFF) == (plain in _NEVER)
        draft.note(replace(left_out(said, reason), is_lost=not is_so))
    elif option == CONTEXT_OPTION and option in draft.manifest.options:
        draft.limit("context", setting, said)
    elif option == "mmproj" and option in draft.manifest.options:
        put_projector(setting, said, draft, place)
    elif option in draft.manifest.options:
        if option in _PATHS:
            place.check_inside(setting, option)
        draft.option(option, _meant(option, setting or "true"), said)
    else:
        draft.leave_out(said, f"{draft.backend} has no such option")


def _known(draft: Draft, name: str) -> str:
    option = _SYNONYMS.get(draft.backend, {}).get(name, name)
    return option if option in draft.manifest.options else ""


def _take_context(keys: Keys, draft: Draft) -> None:
    size = _said(keys, draft, "context_size")
    if isinstance(size, int | float) and size < 0:
        draft.note(
            f"`context_size` ({size}) means all that the model was trained for: write it as "
            "`limits.context`, if there is memory for it."
        )
    elif size is not None:
        draft.limit("context", size, "context_size")


def _take_speaker(keys: Keys, draft: Draft, described: Described | None) -> None:
    """Take `tts.voice` for the speaker, if the voice's file has one of that name or number."""
    speaker = keys.text("tts.voice")
    if not speaker:
        return
    if draft.backend != "piper":
        draft.leave_out("tts.voice", f"{draft.backend} has no such option", speaker)
    elif described is not None and speaker in described.speakers:
        draft.option("voice", speaker, "tts.voice")
    else:
        why = "is not here to tell its speakers" if described is None else "has no such speaker"
        draft.leave_out(
            "tts.voice",
            f"the voice's file {why}; callers name one by `voice`, and `options.voice` is who "
            "speaks otherwise",
            speaker,
        )


def _take_device(keys: Keys, draft: Draft) -> None:
    for key in ("cuda", "diffusers.cuda"):
        if keys.look(key) is None:
            continue
        wanted = keys.flag(key)
        if "use_cuda" in draft.manifest.options:
            draft.option("use_cuda", wanted, key)
        elif "device" in draft.manifest.options:
            draft.option("device", "cuda" if wanted else "auto", key)
        else:
            draft.leave_out(key, "a GPU is used where there is one")
    if draft.backend == "diffusers" and keys.look("f16") is not None:
        draft.option("dtype", "float16" if keys.flag("f16") else "float32", "f16")


def _take_limits(keys: Keys, draft: Draft) -> None:
    if most := keys.take("limits.max_concurrent"):
        draft.limit("max_concurrent", most, "limits.max_concurrent")
    if keys.look("pinned") is not None:
        if keys.flag("pinned"):
            draft.put("keep_alive", -1)
        else:
            draft.note(needless("pinned", False))


def _said(keys: Keys, draft: Draft, key: str) -> Any:
    """Take a value, None and a note where it is one that stands for nothing said."""
    value = keys.take(key)
    if key in NEUTRAL and value == NEUTRAL[key] and value is not None:
        draft.note(needless(key, value))
        return None
    return value


def _meant(option: str, value: Any) -> Any:
    text = str(value).lower()
    if option == "n_gpu_layers" and re.fullmatch(r"\d+", text) and int(text) >= _ALL_LAYERS:
        return -1
    if option == "dtype":
        return _DTYPES.get(text, text)
    if option == "scheduler":
        return _SCHEDULERS.get(text, text)
    return value
