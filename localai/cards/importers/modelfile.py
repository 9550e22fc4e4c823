"""Ollama's Modelfiles to cards."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.cards.importers.chat_templates import Opening, with_opening
from localai.cards.importers.describe import describe_file
from localai.cards.importers.described import Described
from localai.cards.importers.draft import Draft, draft_for, model_name
from localai.cards.importers.go_syntax import UntranslatableTemplate
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.modelfile_syntax import Command, read_modelfile
from localai.cards.importers.ollama_template import ollama_to_jinja
from localai.cards.resolved import Backends

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
_NOTES = {
    "adapter": "llama_cpp takes no adapters: merge it with its model first",
    "draft": "no second model drafts answers here",
    "renderer": "Ollama's own code writes the prompt; the chat template does here",
    "parser": "Ollama's own code reads the answer; it is given as the model writes it here",
    "requires": "it is a version of Ollama's",
    "license": "a card has no place for it; keep the Modelfile",
}
_ALL_LAYERS = 999
_HUB = re.compile(r"(?:https?://)?(?:hf\.co|huggingface\.co)/(?P<rest>.+)")


@dataclass(frozen=True)
class _Source:
    """What FROM names."""

    model: str
    """An absolute path, or a reference to fetch."""
    described: Described | None
    """What the file says, if it is here."""


def import_modelfile(path: Path, backends: Backends) -> Imported:
    """Return the card of a Modelfile.

    Raises CannotImport for what Ollama would refuse, and for models that no backend here runs.
    """
    commands = read_modelfile(path)
    source = _source(_last(commands, "from"), path)
    described = source.described
    if described is not None and described.backend != "llama_cpp":
        raise CannotImport(described.reason, path=str(path))
    draft = draft_for("llama_cpp", backends)
    draft.name(_name(path, source))
    draft.put("model", source.model)
    if described is not None:
        _take_described(described, draft)
    for command in commands:
        if reason := _NOTES.get(command.name):
            text = " ".join(command.value.split())[:60]
            draft.notes.append(f"{command.name.upper()} ({text}) is left out: {reason}.")
    _take_parameters([one for one in commands if one.name == "parameter"], draft, path)
    _take_template(commands, draft, described)
    return draft.finish(_reason(source))


def _last(commands: Sequence[Command], name: str) -> str:
    return next((one.value for one in reversed(commands) if one.name == name), "")


def _source(value: str, modelfile: Path) -> _Source:
    written = Path(value).expanduser()
    path = written if written.is_absolute() else modelfile.parent / written
    if path.exists():
        described = describe_file(path.resolve())
        return _Source(described.model or str(path.resolve()), described)
    if value.startswith((".", "/", "~")) or value.lower().endswith((".gguf", ".safetensors")):
        raise CannotImport(f"FROM names {path}, which is not there.", path=str(modelfile))
    if hub := _HUB.fullmatch(value):
        return _Source(f"hf://{hub['rest']}", None)
    return _Source(f"ollama://{value}", None)


def _reason(source: _Source) -> str:
    if source.described is not None:
        return source.described.reason
    return f"Ollama's models are GGUF files: llama_cpp runs {source.model} once it is fetched."


def _name(path: Path, source: _Source) -> str:
    """Return the Modelfile's own name, or where it is just `Modelfile`, its model's."""
    stem = re.sub(r"(?i)^modelfile[._-]?|[._-]?modelfile$", "", path.name)
    if stem:
        return model_name(stem)
    return model_name(re.sub(r"\.gguf$", "", source.model.rpartition("/")[2]).replace(":", "-"))


def _take_described(described: Described, draft: Draft) -> None:
    for option, value in described.options.items():
        draft.option(option, value, f"the model's file: {option}")
    for parameter, value in described.defaults.items():
        draft.default(parameter, value, f"the model's file: {parameter}")
    draft.capabilities(described.capabilities)
    draft.notes += described.notes


def _take_parameters(commands: Sequence[Command], draft: Draft, path: Path) -> None:
    stops: list[str] = []
    for command in commands:
        name, said = command.key, f"PARAMETER {command.key} {command.value}"
        if name == "stop":
            stops.append(command.value)
        elif name in _IGNORED_BY_OLLAMA:
            draft.notes.append(f"`{said}` is left out: Ollama ignores it too.")
        else:
            _take_parameter(name, _typed(command, path), said, draft)
    if stops:
        draft.default("stop", list(dict.fromkeys(stops)), "PARAMETER stop")


def _take_parameter(name: str, value: Any, said: str, draft: Draft) -> None:
    if name in _LEFT_OUT:
        draft.notes.append(f"`{said}` is left out: {_LEFT_OUT[name]}.")
    elif name == "num_ctx":
        draft.limit("context", value, said)
    elif (name == "seed" or name == "num_predict") and value < 0:
        draft.notes.append(f"`{said}` is left out: it says the same as leaving it out.")
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


def _take_template(commands: Sequence[Command], draft: Draft, described: Described | None) -> None:
    own = described.chat_template if described else None
    opening = Opening(
        _last(commands, "system"),
        tuple((one.key, one.value) for one in commands if one.name == "message"),
    )
    template = _translated(_last(commands, "template"), draft, own)
    if opening and template is None and own is None:
        draft.notes.append(
            "SYSTEM and MESSAGE are left out: they go into the model's chat template, which is not "
            "known before its file is here. Import again then, or send them with each call."
        )
    elif opening or template is not None:
        draft.option("chat_template", with_opening(template or own or "", opening), "TEMPLATE")


def _translated(source: str, draft: Draft, own: str | None) -> str | None:
    if not source:
        return None
    try:
        template = ollama_to_jinja(source)
    except UntranslatableTemplate as error:
        taken = "the file's own is used" if own else "the file's own is used, if it has one"
        draft.notes.append(f"TEMPLATE is not translated to Jinja, {taken}: {error.message}.")
        return None
    draft.notes.append(
        "TEMPLATE was translated from Go to Jinja; without `options.chat_template` the file's own "
        "would be used."
    )
    if ".Suffix" in source:
        draft.notes.append("What TEMPLATE says about `.Suffix` is left out: chats have none.")
    return template
