"""Ollama's Modelfiles to cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localai.cards.importers.chat_templates import Opening, what_instead, with_opening
from localai.cards.importers.derived import Base, CardCalled, base_called, no_cards
from localai.cards.importers.describe import describe_file
from localai.cards.importers.described import Described
from localai.cards.importers.draft import Draft, draft_for, model_name
from localai.cards.importers.go_syntax import UntranslatableTemplate
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.modelfile_parameters import take_parameters
from localai.cards.importers.modelfile_syntax import (
    Command,
    model_in_comment,
    read_modelfile,
)
from localai.cards.importers.ollama_layers import is_blob_name, layer_commands, ollama_layers
from localai.cards.importers.ollama_template import ollama_to_jinja
from localai.cards.resolved import Backends, Locate, nowhere
from localai.errors import InvalidReference
from localai.files import place_of
from localai.references import HubReference, is_reference, parse_reference

_NOTES = {
    "adapter": "llama_cpp takes no adapters: merge it with its model first",
    "draft": "no second model drafts answers here",
    "renderer": "Ollama's own code writes the prompt; the chat template does here",
    "parser": "Ollama's own code reads the answer; it is given as the model writes it here",
    "requires": "it is a version of Ollama's",
    "license": "a card has no place for it; keep the Modelfile",
}
_PROMPT_ALONE = re.compile(r"\{\{-?\s*\.Prompt\s*-?\}\}")


@dataclass(frozen=True)
class _Source:
    """What FROM names."""

    model: str
    """An absolute path, or a reference to fetch."""
    described: Described | None = None
    """What the file says, if it is here."""
    file: Path | None = None
    base: Base | None = None
    """What the card says of it, where FROM names a model of this machine."""

    @property
    def is_projector(self) -> bool:
        return self.described is not None and self.described.is_projector

    @property
    def runs(self) -> bool:
        return self.described is None or self.described.backend is not None


def import_modelfile(
    path: Path,
    backends: Backends,
    locate: Locate = nowhere,
    card_called: CardCalled = no_cards,
    name: str | None = None,
) -> Imported:
    """Return the card of a Modelfile; `locate` knows what was fetched, `card_called` what is here.

    Raises CannotImport for what Ollama would refuse, for models that no backend here runs, and
    where neither the file nor `name` tells what the new model is called.
    """
    return import_commands(read_modelfile(path), path, backends, locate, card_called, name)


def import_ollama_layers(model: Path, layers: Sequence[Path], backends: Backends) -> Imported:
    """Return the card of the GGUF file `model`; each of its layers is in it, or in a note.

    Raises CannotImport for a damaged file, or one that no backend here runs.
    """
    commands, notes = layer_commands(layers)
    imported = import_commands([Command("from", str(model)), *commands], model, backends)
    return replace(imported, notes=(*imported.notes, *notes))


def import_commands(
    commands: Sequence[Command],
    path: Path,
    backends: Backends,
    locate: Locate = nowhere,
    card_called: CardCalled = no_cards,
    name: str | None = None,
) -> Imported:
    """Return the card of the instructions that stand in `path`, or would; see above."""
    named = [one.value for one in commands if one.name == "from"]
    sources = [_source(one, path, locate, card_called) for one in named]
    source = _model_of(sources)
    described = source.described
    if described is not None and described.backend != "llama_cpp":
        raise CannotImport(described.reason, path=str(path))
    inherited, notes = _inherited(source, commands)
    commands = [*inherited, *commands]
    draft = draft_for("llama_cpp", backends)
    draft.name(name or _name(path, source))
    draft.put("model", source.model)
    draft.note(*notes)
    if source.base is not None:
        source.base.take_into(draft)
    elif described is not None:
        _take_described(described, draft)
    _take_other_sources(sources, source, draft)
    for command in commands:
        if reason := _NOTES.get(command.name):
            text = " ".join(command.value.split())[:60]
            draft.note(f"{command.name.upper()} ({text}) is left out: {reason}.")
    take_parameters([one for one in commands if one.name == "parameter"], draft, path)
    _take_template(commands, draft, source)
    draft.share_memory()
    return draft.finish(_reason(source))


def _last(commands: Sequence[Command], name: str) -> str:
    return next((one.value for one in reversed(commands) if one.name == name), "")


def _source(value: str, modelfile: Path, locate: Locate, card_called: CardCalled) -> _Source:
    path = modelfile.parent / Path(value).expanduser()
    if path.exists():
        path = place_of(path)
        described = describe_file(path)
        return _Source(described.model or str(path), described)
    if (base := base_called(value, card_called, modelfile)) is not None:
        of_file = describe_file(base.file) if base.file is not None else None
        return _Source(base.model, of_file, base.file, base)
    reference = _elsewhere(value, path, modelfile)
    meaning = locate.meaning(reference)
    reference = meaning.reference if meaning else reference
    file = locate(reference)
    return _Source(reference, describe_file(file) if file is not None else None, file)


def _elsewhere(value: str, path: Path, modelfile: Path) -> str:
    """Return the reference that Ollama takes FROM for, where there is no such file."""
    try:
        hub = parse_reference(value) if is_reference(value) else None
    except InvalidReference as error:
        raise CannotImport(error.message, path=str(modelfile)) from None
    if isinstance(hub, HubReference):
        return str(hub)
    if value.startswith((".", "/", "~")) or value.lower().endswith((".gguf", ".safetensors")):
        raise CannotImport(f"FROM names {path}, which is not there.", path=str(modelfile))
    return f"ollama://{value}"


def _model_of(sources: Sequence[_Source]) -> _Source:
    """Return which FROM is the model: the last one, as in Ollama, that is no part of another."""
    able = [one for one in sources if one.runs] or [one for one in sources if not one.is_projector]
    return (able or sources)[-1]


def _take_other_sources(sources: Sequence[_Source], chosen: _Source, draft: Draft) -> None:
    """Take the projectors that further lines with FROM name; other files become notes."""
    for source in sources:
        described = source.described
        if source is chosen:
            continue
        if described is not None and source.is_projector and "mmproj" not in draft.taken("FROM"):
            draft.option("mmproj", source.model, "FROM")
            draft.capabilities(described.capabilities)
        else:
            why = described.reason if described is not None else f"{chosen.model} is the model."
            draft.note(f"FROM {source.model} is left out: {why}")


def _inherited(source: _Source, commands: Sequence[Command]) -> tuple[list[Command], Sequence[str]]:
    """Return what a model of Ollama's brings along and `commands` do not say otherwise."""
    if source.base is not None or source.file is None or not source.model.startswith("ollama://"):
        return [], ()
    found, notes = layer_commands(ollama_layers(sorted(source.file.parent.iterdir())))
    own = {(one.name, one.key if one.name == "parameter" else "") for one in commands}
    return [
        one for one in found if (one.name, one.key if one.name == "parameter" else "") not in own
    ], notes


def _reason(source: _Source) -> str:
    if source.base is not None:
        return f"FROM names '{source.base.card.name}', which is here: {source.base.card.path}."
    if source.described is not None:
        return source.described.reason
    return f"Ollama's models are GGUF files: llama_cpp runs {source.model} once it is fetched."


def _name(path: Path, source: _Source) -> str:
    """Return the Modelfile's own name, or where it is just `Modelfile`, its model's.

    Raises CannotImport where that is another card's name, or none that a person would know.
    """
    stem = re.sub(r"(?i)^modelfile[._-]?|[._-]?modelfile$", "", path.name)
    if stem:
        return model_name(stem)
    if source.base is not None:
        raise _nameless(f"'{source.base.card.name}' is the model that it is made from", path)
    name = source.model.rpartition("/")[2]
    if is_blob_name(name):
        commented = model_in_comment(path)
        if commented is None:
            raise _nameless(f"FROM names a file by its hash, {source.model}", path)
        name = commented.rpartition("/")[2]
    name = re.sub(r"\.gguf$", "", name.removesuffix(":latest"))
    return model_name(name.replace(":", "-"))


def _nameless(why: str, path: Path) -> CannotImport:
    text = f"has no name of its own, and {why}: say with --name what the new one is called."
    return CannotImport(text, path=str(path))


def _take_described(described: Described, draft: Draft) -> None:
    for option, value in described.options.items():
        draft.option(option, value, f"the model's file: {option}")
    for parameter, value in described.defaults.items():
        draft.default(parameter, value, f"the model's file: {parameter}")
    draft.capabilities(described.capabilities)
    draft.note(*described.notes)


def _take_template(commands: Sequence[Command], draft: Draft, source: _Source) -> None:
    described = source.described
    own = described.chat_template if described else None
    opening = Opening(
        _last(commands, "system"),
        tuple((one.key, one.value) for one in commands if one.name == "message"),
    )
    kept = source.base.chat_template if source.base else None
    used = _used_instead(source, own)
    own = kept or own
    template = _translated(_template_of(commands, draft, used), draft, used)
    if opening and template is None and own is None:
        draft.note(
            "SYSTEM and MESSAGE are left out: they go into the chat template of the model's file, "
            + what_instead(source.model, is_here=described is not None)
        )
    elif opening or template is not None:
        draft.option("chat_template", with_opening(template or own or "", opening), "TEMPLATE")
    elif kept is not None:
        draft.option("chat_template", kept, "FROM")


def _used_instead(source: _Source, own: str | None) -> str:
    """Return whose template is used where TEMPLATE is left out."""
    if source.base is not None and source.base.chat_template:
        return f"that of '{source.base.card.name}' is used"
    return "the file's own is used" if own else "the file's own is used, if it has one"


def _template_of(commands: Sequence[Command], draft: Draft, used: str) -> str:
    """Return the template, empty with a note where Ollama's own code writes the prompt."""
    source = _last(commands, "template")
    if not source:
        return ""
    if renderer := _last(commands, "renderer"):
        why = f"Ollama's own code writes the prompt (RENDERER {renderer})"
    elif _PROMPT_ALONE.fullmatch(source.strip()):
        why = "it has no place for roles, as templates of models that do without one"
    else:
        return source
    text = " ".join(source.split())[:60]
    draft.note(f"TEMPLATE ({text}) is left out: {why}; {used}.")
    return ""


def _translated(source: str, draft: Draft, used: str) -> str | None:
    if not source:
        return None
    try:
        template = ollama_to_jinja(source)
    except UntranslatableTemplate as error:
        draft.note(f"TEMPLATE is not translated to Jinja, {used}: {error.message}.")
        return None
    draft.note(
        "TEMPLATE was translated from Go to Jinja; without `options.chat_template` the file's own "
        "would be used."
    )
    if ".Suffix" in source:
        draft.note("What TEMPLATE says about `.Suffix` is left out: chats have none.")
    return template
