"""The parameters of Ollama's Modelfiles, as defaults, limits and options of a card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from localai.cards.importers.draft import Draft
from localai.cards.importers.imported import CannotImport
from localai.cards.importers.modelfile_syntax import Command
from localai.cards.importers.notes import needless

_SWITCHES = {
    "1": True, "t": True, "true": True, "0": False, "f": False, "false": False,
}  # fmt: skip
_DEFAULTS = {
    "seed": "seed", "num_predict": "max_tokens", "top_k": "top_k", "top_p": "top_p",
    "min_p": "min_p", "temperature": "temperature", "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty",
}  # fmt: skip
_OPTIONS = {
    "num_batch": "n_batch", "num_gpu": "n_gpu_layers", "main_gpu": "main_gpu",
    "use_mmap": "use_mmap", "num_thread": "n_threads",
}  # fmt: skip
_LEFT_OUT = {
    "draft_num_predict": "no second model drafts answers here",
    "num_keep": "a conversation that does not fit is refused, never cut",
    "typical_p": "this sampler is not offered here",
    "repeat_last_n": "penalties look at 64 tokens",
}
_IGNORED_BY_OLLAMA = frozenset(
    {
        "penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock",
        "mirostat", "mirostat_tau", "mirostat_eta",
    }
)  # fmt: skip
_WHOLE = frozenset(
    {
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
        "num_keep", "seed", "num_predict", "top_k", "repeat_last_n",
    }
)  # fmt: skip
_TRUTHS = frozenset({"use_mmap"})
_ALL_LAYERS = 999


def is_parameter(name: str) -> bool:
    """Tell whether Ollama has a parameter of that name."""
    return name in {*_DEFAULTS, *_OPTIONS, *_LEFT_OUT, *_IGNORED_BY_OLLAMA, "num_ctx", "stop"}


def take_parameters(commands: Sequence[Command], draft: Draft, path: Path) -> None:
    """Take the parameters of a Modelfile at `path`; raises CannotImport with Ollama's words."""
    stops: list[str] = []
    for command in commands:
        name, said = command.key, f"PARAMETER {command.key} {command.value}"
        if name == "stop":
            stops.append(command.value)
        elif name in _IGNORED_BY_OLLAMA:
            draft.leave_out(said, "Ollama ignores it too")
        else:
            _take_parameter(name, _typed(command, path), said, draft)
    if stops:
        draft.default("stop", list(dict.fromkeys(stops)), "PARAMETER stop")


def _take_parameter(name: str, value: Any, said: str, draft: Draft) -> None:
    if name in _LEFT_OUT:
        draft.leave_out(said, _LEFT_OUT[name])
    elif name == "num_ctx":
        draft.limit("context", value, said)
    elif (name == "seed" or name == "num_predict") and value < 0:
        draft.note(needless(said))
    elif name in _OPTIONS:
        is_all = name == "num_gpu" and value >= _ALL_LAYERS
        draft.option(_OPTIONS[name], -1 if is_all else value, said)
    else:
        draft.default(_DEFAULTS[name], value, said)


def _typed(command: Command, path: Path) -> Any:
    """Return a parameter's value in its type; raises CannotImport with Ollama's words."""
    name, text = command.key, command.value
    known = {*_DEFAULTS, *_OPTIONS, *_LEFT_OUT, "num_ctx"}
    if name not in known:
        raise CannotImport(f"unknown parameter '{name}'", path=str(path), line=command.line)
    kind, convert = _type_of(name)
    try:
        return convert(text)
    except (ValueError, KeyError) as error:
        raise CannotImport(
            f"invalid {kind} value [{text}]", path=str(path), line=command.line
        ) from error


def _type_of(name: str) -> tuple[str, Callable[[str], Any]]:
    if name in _TRUTHS:
        return "bool", lambda text: _SWITCHES[text.lower()]
    return ("int", int) if name in _WHOLE else ("float", float)
