"""The keys of LocalAI's model YAML that have no place in a card, and why.

Source: LocalAI's `core/config/model_config.go` and https://localai.io/advanced/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localai.cards.importers.notes import Note, left_out

_TOOLS = "it steers how LocalAI has functions called and reads such calls from text"
_REASONING = "it steers how LocalAI finds reasoning in text"
_VLLM = "it is for vLLM, and no backend here takes it"
_SAMPLER = "this sampler is not offered here"
_TEXT = "answers are not rewritten here"
_ROPE = "the file's own values are used, of which a card changes `rope_freq_base` and `_scale` only"
_CACHE = "what prompts have in common is kept in memory by itself"

REASONS: dict[str, str] = {
    "agent": "agents are not run here",
    "artifacts": "write the files that it stands for under `files`",
    "chat_template_kwargs": "templates are given no values of a card's",
    "compression": "conversations are not shortened here",
    "concurrency_groups": "models share memory by use, not in groups",
    "cutstrings": _TEXT,
    "debug": "the log's level is a setting of the server's",
    "diffusers.clip_model": "the pipeline's own parts are used",
    "diffusers.clip_skip": "the pipeline's own parts are used",
    "diffusers.clip_subfolder": "the pipeline's own parts are used",
    "diffusers.control_net": "ControlNet is not offered here",
    "diffusers.enable_parameters": "each call says itself which parameters it sets",
    "diffusers.img2img": "edits are offered for every pipeline that can do them",
    "diffusers.pipeline_type": "the model's own files name its pipeline",
    "disable_log_stats": _VLLM,
    "disabled": "a card that is there is in use: keep it out of the models folder instead",
    "draft_model": "no second model drafts answers here",
    "enforce_eager": _VLLM,
    "engine_args": _VLLM,
    "extract_regex": _TEXT,
    "f16": "cached keys and values are in f16 unless `options.cache_type_k` and `_v` say otherwise",
    "feature_flags": "tokens are always counted",
    "function": _TOOLS,
    "gpu_memory_utilization": _VLLM,
    "grammar": "answers are not bound to a grammar of the card's",
    "grpc": "workers are not reached by gRPC",
    "known_input_modalities": "it follows from the capabilities",
    "known_output_modalities": "it follows from the capabilities",
    "limit_mm_per_prompt": _VLLM,
    "limits.retry_after_seconds": "the wait that callers are told follows from the queue",
    "load_format": _VLLM,
    "lora_adapter": "this backend takes no adapters",
    "lora_adapters": "this backend takes no adapters",
    "lora_base": "this backend takes no adapters",
    "lora_scale": "this backend takes no adapters",
    "lora_scales": "this backend takes no adapters",
    "low_vram": "put fewer layers on the GPU by `options.n_gpu_layers` instead",
    "max_model_len": _VLLM,
    "mcp": "tools of MCP servers are not called here",
    "mirostat": _SAMPLER,
    "mirostat_eta": _SAMPLER,
    "mirostat_tau": _SAMPLER,
    "mitm": "other programs' calls are not intercepted here",
    "n_draft": "no second model drafts answers here",
    "ngqa": "the file says it itself",
    "no_kv_offloading": "the cache lies where the layers do",
    "no_mulmatq": "llama.cpp has no such choice any more",
    "numa": "memory of several processors is not treated apart",
    "overrides": "the file's own metadata are used",
    "parameters.clip_skip": "the pipeline's own parts are used",
    "parameters.echo": "each call says it itself",
    "parameters.ignore_eos": "answers end where the model ends them",
    "parameters.logprobs": "each call asks for them itself",
    "parameters.n_keep": "a conversation that does not fit is refused, never cut",
    "parameters.negative_prompt": "this backend has none",
    "parameters.negative_prompt_scale": "this backend has none",
    "parameters.pooling_half_life_tokens": "pooling has no such form here",
    "parameters.repeat_last_n": "penalties look at 64 tokens",
    "parameters.tfz": _SAMPLER,
    "parameters.tokenizer": "the file's own is used",
    "parameters.top_logprobs": "each call asks for them itself",
    "parameters.translate": "ask `/v1/audio/translations` for English",
    "parameters.typical_p": _SAMPLER,
    "pii": "texts are not searched for personal data",
    "pii_detection": "texts are not searched for personal data",
    "pipeline": "spoken conversations of several models are not offered here",
    "prompt_cache_all": _CACHE,
    "prompt_cache_path": _CACHE,
    "prompt_cache_ro": _CACHE,
    "proxy": "calls are not passed on to other services",
    "quantization": _VLLM,
    "reasoning": _REASONING,
    "rms_norm_eps": "the file says it itself",
    "roles": "without `template.chat` or `chat_message` the file's own chat template is used",
    "rope_scaling": _ROPE,
    "router": "calls are not spread over models by their content",
    "swap_space": _VLLM,
    "template.completion": "a text completion is given to the model as it is",
    "template.function": "without `template.chat` or `chat_message` the file's own is used",
    "template.edit": "edits of texts are not offered here",
    "template.join_chat_messages_by_character": "there is no chat template that would use it",
    "template.multimodal": "pictures stand where the caller puts them",
    "template.reply_prefix": "answers begin where the chat template ends",
    "tensor_parallel_size": _VLLM,
    "trimspace": _TEXT,
    "trimsuffix": _TEXT,
    "tts.audio_path": "voices are not copied from recordings here",
    "tts.voice_cloning": "voices are not copied from recordings here",
    "type": "the model's own files say what it is",
    "yarn_attn_factor": _ROPE,
    "yarn_beta_fast": _ROPE,
    "yarn_beta_slow": _ROPE,
    "yarn_ext_factor": _ROPE,
}
"""Why each key is left out; a key stands for all below it."""

NEUTRAL: dict[str, Any] = {
    "parameters.seed": -1, "parameters.max_tokens": 0, "threads": 0, "step": 0, "cfg_scale": 0,
    "parameters.batch": 0, "parameters.rope_freq_base": 0, "parameters.rope_freq_scale": 0,
    "context_size": 0,
}  # fmt: skip
"""Values that LocalAI takes for "not said"."""

_SHARED = frozenset(
    {"context_size", "f16", "mmap", "threads", "gpu_layers", "mmproj", "embeddings"}
)
"""Keys that people write under `parameters`, where LocalAI does not look."""


class Keys:
    """A LocalAI YAML, which knows what has been taken from it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._leaves = dict(_leaves(data, ""))
        self._data = data
        self._taken: set[str] = set()

    def take(self, key: str) -> Any:
        """Return the value at a dotted key and count it as used; None where there is none, or
        where it has been taken before."""
        value = None if key in self._taken else self.look(key)
        self._taken.add(key)
        for leaf in [leaf for leaf in self._leaves if leaf == key or leaf.startswith(f"{key}.")]:
            del self._leaves[leaf]
        return value

    def look(self, key: str) -> Any:
        """Return the value at a dotted key without counting it as used."""
        value: Any = self._data
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def text(self, key: str) -> str:
        """Take a text; anything else that is there is written as one."""
        value = self.take(key)
        return "" if value is None else str(value)

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self.take(key)
        return value is True or str(value).lower() in ("true", "on", "yes", "1")

    def left(self) -> Iterator[Note]:
        """Yield a note for every key that nothing was made of."""
        for key, value in self._leaves.items():
            yield left_out(key, _reason(key), value)


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif value is not None and key:
        yield key, value


def listed(value: Any) -> list[Any]:
    """Return a list, or what stands in its place as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _reason(key: str) -> str:
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        if reason := REASONS.get(".".join(parts[:end])):
            return reason
    if len(parts) == 2 and parts[0] == "parameters" and parts[1] in _SHARED:
        return "LocalAI reads it at the top level alone, so that it had no effect there either"
    return "neither LocalAI nor a card knows this key"
