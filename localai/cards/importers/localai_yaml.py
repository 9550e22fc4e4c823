"""LocalAI's model YAML to cards: every key is mapped, or named in a note.

Source: https://localai.io/advanced/#full-config-model-file-reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localai.cards.importers.chat_templates import Opening, with_opening
from localai.cards.importers.describe import describe_file
from localai.cards.importers.described import Described
from localai.cards.importers.draft import Draft, draft_for
from localai.cards.importers.go_syntax import UntranslatableTemplate
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.localai_backends import (
    guessed_backend,
    hub_reference,
    instead_of,
    is_reference,
    our_backend,
)
from localai.cards.importers.localai_keys import Keys, shown
from localai.cards.importers.localai_settings import take_loading, take_options, take_sampling
from localai.cards.importers.localai_template import LocalAITemplates, localai_to_jinja
from localai.cards.importers.yaml_documents import read_documents
from localai.cards.resolved import Backends
from localai.protocol.capabilities import Capability

_USES: dict[str, tuple[Capability, ...]] = {
    "chat": (Capability.CHAT,),
    "completion": (Capability.COMPLETION,),
    "embeddings": (Capability.EMBEDDING,),
    "image": (Capability.IMAGE,),
    "transcript": (Capability.TRANSCRIPTION, Capability.TRANSLATION),
    "tts": (Capability.SPEECH,),
    "vad": (Capability.VOICE_ACTIVITY,),
    "vision": (Capability.VISION,),
}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_INPUT_ALONE = re.compile(r"\{\{-?\s*\.Input\s*-?\}\}")


@dataclass(frozen=True)
class Place:
    """Where a LocalAI YAML comes from, and what runs models here."""

    file: Path
    """The YAML, for messages; its folder is where its models lie."""
    backends: Backends

    def refusal(self, message: str) -> CannotImport:
        """Return the error for this file."""
        return CannotImport(message, path=str(self.file))

    def local(self, name: str) -> Path | None:
        """Return the file or folder that a YAML calls `name`, None where it is not here."""
        if not name or is_reference(name):
            return None
        path = self.file.parent / name
        return path.resolve() if path.exists() else None


def import_localai_file(path: Path, backends: Backends) -> list[Imported]:
    """Return a card for each model of a LocalAI YAML: one model, several documents, or a list.

    Raises CannotImport for a file that holds no model, or one that no backend here runs.
    """
    found: list[Mapping[str, Any]] = []
    place = Place(path, backends)
    for document in read_documents(path):
        found += _models(document, place)
    if not found:
        raise place.refusal("holds no model.")
    aliases = [one for one in found if one.get("alias")]
    cards = [import_localai(one, place) for one in found if not one.get("alias")]
    for alias in aliases:
        cards = _with_alias(cards, alias, place)
    return cards


def _models(document: Any, place: Place) -> list[Mapping[str, Any]]:
    entries = document if isinstance(document, list) else [document]
    for entry in entries:
        if not isinstance(entry, dict):
            raise place.refusal("holds something that is no model: write `key: value` lines.")
    return entries


def _with_alias(
    cards: Sequence[Imported], alias: Mapping[str, Any], place: Place
) -> list[Imported]:
    """Return `cards` with a redirecting entry turned into a second name of its target."""
    target, name = str(alias["alias"]), str(alias.get("name", ""))
    keys = Keys({key: value for key, value in alias.items() if key not in ("alias", "name")})
    if not any(card.card["name"] == target for card in cards):
        raise place.refusal(
            f"'{name}' only leads to '{target}': write `aliases: [{name}]` in that model's card."
        )
    return [
        replace(
            card,
            card=_aliased(card.card, name),
            notes=(*card.notes, *keys.left()),
        )
        if card.card["name"] == target
        else card
        for card in cards
    ]


def _aliased(card: Mapping[str, Any], alias: str) -> dict[str, Any]:
    aliases = [*card.get("aliases", []), alias]
    return {"name": card["name"], "aliases": aliases} | {
        key: value for key, value in card.items() if key not in ("name", "aliases")
    }


def import_localai(data: Mapping[str, Any], place: Place) -> Imported:
    """Return the card for one model's data; raises CannotImport where no backend here runs it."""
    keys = Keys(data)
    model = keys.text("parameters.model")
    backend, reason = _backend(keys, model, place)
    draft = draft_for(backend, place.backends)
    _take_identity(keys, draft, model)
    described = _take_model(keys, draft, model, place)
    _take_files(keys, draft, place)
    _take_projector(keys, draft, place)
    take_sampling(keys, draft)
    take_loading(keys, draft)
    _take_adapters(keys, draft)
    take_options(keys, draft)
    _take_capabilities(keys, draft)
    _take_templates(keys, draft, described)
    draft.notes += keys.left()
    return draft.finish(reason)


def _backend(keys: Keys, model: str, place: Place) -> tuple[str, str]:
    named = keys.text("backend")
    if keys.flag("reranking") or "rerank" in _listed(keys.look("known_usecases")):
        raise place.refusal("its model ranks texts, and no backend here does.")
    embeds = bool(keys.look("embeddings")) or "embeddings" in _listed(keys.look("known_usecases"))
    if named:
        ours = our_backend(named, embeds=embeds)
        if ours is None or ours not in place.backends:
            raise place.refusal(f"its backend '{named}' has no match here: {instead_of(named)}.")
        return ours, f"LocalAI's backend '{named}' is {ours} here."
    here = place.local(model)
    if here is not None:
        described = describe_file(here)
        if described.backend is None:
            raise place.refusal(described.reason)
        return described.backend, described.reason
    guessed = guessed_backend(model)
    if guessed is None or guessed not in place.backends:
        raise place.refusal(
            f"names no backend, and its model, '{model}', tells none: write `backend:`."
        )
    return guessed, f"No backend is named; models like {model} are run by {guessed}."


def _take_identity(keys: Keys, draft: Draft, model: str) -> None:
    name = keys.text("name") or re.sub(r"\.\w+$", "", model.rpartition("/")[2])
    draft.name(name)
    texts = [keys.text("description").strip(), keys.text("usage").strip()]
    draft.put("description", "\n\n".join(text for text in texts if text))


def _take_model(keys: Keys, draft: Draft, model: str, place: Place) -> Described | None:
    """Put the model's path or reference on the card; return what its file says, if it is here."""
    if not model:
        if not draft.manifest.needs_model:
            return None
        voice = str(keys.look("tts.voice") or "")
        if not voice.endswith(".onnx"):
            raise place.refusal("names no model: write `parameters.model`.")
        model = keys.text("tts.voice")
    if ".." in Path(model).parts or Path(model).is_absolute():
        raise place.refusal(f"its model '{model}' is outside the folder of models.")
    here = place.local(model)
    if here is not None:
        draft.put("model", str(here))
        return _described(here, draft)
    draft.put("model", _not_here(keys, draft, model))
    return None


def _described(path: Path, draft: Draft) -> Described | None:
    try:
        return describe_file(path)
    except CannotImport as error:
        draft.notes.append(f"The model's file cannot be used as it is: {error}")
        return None


def _not_here(keys: Keys, draft: Draft, model: str) -> str:
    for file in _listed(keys.look("download_files")):
        if isinstance(file, dict) and model in (file.get("filename"), file.get("uri")):
            return str(file.get("filename") or model)
    if is_reference(model):
        return model
    if reference := hub_reference(model, draft.backend):
        return reference
    draft.notes.append(f"The model's file '{model}' is not here: put it beside the card.")
    return model


def _take_files(keys: Keys, draft: Draft, place: Place) -> None:
    listed = keys.take("download_files")
    files = list(draft.get("files") or ())
    for number, entry in enumerate(listed if isinstance(listed, list) else []):
        said = f"download_files[{number}]"
        if not isinstance(entry, dict) or not entry.get("uri"):
            draft.notes.append(f"`{said}` ({shown(entry)}) is left out: it names no `uri`.")
            continue
        path = str(entry.get("filename") or str(entry["uri"]).rpartition("/")[2])
        if ".." in Path(path).parts or Path(path).is_absolute():
            raise place.refusal(f"its file '{path}' is outside the folder of models.")
        files.append({"path": path, "uri": str(entry["uri"])} | _checksum(entry, said, draft))
        for key in sorted(set(entry) - {"filename", "uri", "sha256"}):
            draft.notes.append(f"`{said}.{key}` is left out: a card's files have no such key.")
    if listed is not None and not isinstance(listed, list):
        draft.notes.append(f"`download_files` ({shown(listed)}) is left out: it is no list.")
    draft.put("files", files or None)


def _checksum(entry: Mapping[str, Any], said: str, draft: Draft) -> dict[str, str]:
    text = str(entry.get("sha256") or "")
    if text and not _SHA256.fullmatch(text):
        draft.notes.append(f"`{said}.sha256` ({shown(text)}) is left out: it is no sha256.")
        return {}
    return {"sha256": text.lower()} if text else {}


def _take_projector(keys: Keys, draft: Draft, place: Place) -> None:
    name = keys.text("mmproj")
    if not name:
        return
    here = place.local(name)
    if is_reference(name):
        file = name.partition("?")[0].partition("@")[0].rpartition("/")[2]
        draft.put("files", [*(draft.get("files") or ()), {"path": file, "uri": name}])
        name = file
    draft.option("mmproj", str(here or name), "mmproj")


def _take_adapters(keys: Keys, draft: Draft) -> None:
    if draft.backend != "diffusers":
        return
    paths = [keys.text("lora_adapter"), *_listed(keys.take("lora_adapters"))]
    scales = [keys.take("lora_scale"), *_listed(keys.take("lora_scales"))]
    if not paths[0]:
        paths, scales = paths[1:], scales[1:] or [scales[0]] * len(paths)
    adapters = [
        {"path": str(path)} | ({} if scale is None else {"scale": scale})
        for path, scale in zip(paths, [*scales, *[None] * len(paths)], strict=False)
    ]
    if adapters:
        draft.option("lora", adapters, "lora_adapters")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _take_capabilities(keys: Keys, draft: Draft) -> None:
    uses = [str(one) for one in _listed(keys.take("known_usecases"))]
    if keys.look("embeddings") is not None and keys.flag("embeddings"):
        uses.append("embeddings")
    wanted: list[Capability] = []
    for use in uses:
        can = [one for one in _USES.get(use, ()) if one in draft.manifest.capabilities]
        wanted += can
        if not can:
            draft.notes.append(f"The use `{use}` is left out: {draft.backend} does not offer it.")
    if Capability.EMBEDDING in wanted and draft.backend == "llama_cpp":
        others = [use for use in uses if use not in ("embeddings",)]
        if others:
            draft.notes.append(
                f"The model is used for embeddings alone, not for {', '.join(others)}: text and "
                "embeddings from one file take two cards."
            )
        draft.capabilities((Capability.EMBEDDING,))
    elif draft.backend == "llama_cpp" and wanted == [Capability.COMPLETION]:
        draft.capabilities((Capability.COMPLETION,))
    # What else is listed comes beside what LocalAI finds out itself, as a card's backend does.
    elif Capability.VISION in wanted and not (draft.get("options") or {}).get("mmproj"):
        draft.notes.append("The use `vision` is left out: it needs a projector, `mmproj`.")


def _take_templates(keys: Keys, draft: Draft, described: Described | None) -> None:
    own = described.chat_template if described else None
    system = keys.text("system_prompt")
    uses_own = keys.look("template.use_tokenizer_template") is not None and keys.flag(
        "template.use_tokenizer_template"
    )
    templates = _templates(keys, system)
    if "chat_template" not in draft.manifest.options:
        _say_useless(draft, templates)
        return
    if uses_own:
        draft.notes.append(
            "The file's own chat template is used (`template.use_tokenizer_template`)."
        )
        if templates:
            draft.notes.append(
                "Its other chat templates (`template`, `roles`) are left out, as the file's own is "
                "used."
            )
    elif templates:
        _translate(templates, draft, own)
        return
    _open_with(Opening(system), draft, own)


def _templates(keys: Keys, system: str) -> LocalAITemplates:
    if _INPUT_ALONE.fullmatch(str(keys.look("template.completion") or "").strip()):
        keys.take("template.completion")
    chat, message = keys.text("template.chat"), keys.text("template.chat_message")
    roles = keys.take("roles") if isinstance(keys.look("roles"), dict) else {}
    templates = LocalAITemplates(
        chat=chat,
        chat_message=message,
        function=keys.text("template.function"),
        system=system,
        roles=tuple((str(role), str(label)) for role, label in roles.items()),
    )
    joined = keys.look("template.join_chat_messages_by_character")
    if joined is None or not templates:
        return templates
    return replace(templates, join_with=keys.text("template.join_chat_messages_by_character"))


def _say_useless(draft: Draft, templates: LocalAITemplates) -> None:
    if templates:
        draft.notes.append(f"`template` and `roles` are left out: {draft.backend} has no chats.")
    if templates.system:
        draft.notes.append(f"`system_prompt` is left out: {draft.backend} has no chats.")


def _translate(templates: LocalAITemplates, draft: Draft, own: str | None) -> None:
    try:
        translated = localai_to_jinja(templates)
    except UntranslatableTemplate as error:
        what = "the file's own is used" if own else "the file's own is used, if it has one"
        draft.notes.append(
            f"The chat template is not translated to Jinja, {what}: {error.message}."
        )
        _open_with(Opening(templates.system), draft, own)
        return
    draft.notes.append(
        "The chat template was translated from LocalAI's Go templates to Jinja; without "
        "`options.chat_template` the file's own would be used."
    )
    mentions = any(
        ".SystemPrompt" in one
        for one in (templates.chat, templates.chat_message, templates.function)
    )
    if templates.system and not mentions:
        translated = with_opening(translated, Opening(templates.system))
    draft.option("chat_template", translated, "template")


def _open_with(opening: Opening, draft: Draft, own: str | None) -> None:
    if not opening:
        return
    if own is None:
        draft.notes.append(
            "`system_prompt` is left out: it goes into the model's chat template, which is not "
            "known before its file is here. Import again then, or send it with each call."
        )
        return
    draft.option("chat_template", with_opening(own, opening), "system_prompt")
