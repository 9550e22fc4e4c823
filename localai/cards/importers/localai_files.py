"""The files that a LocalAI YAML names: its model, what is fetched, its eyes and its adapters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from localai.cards.importers.describe import describe_file
from localai.cards.importers.described import Described
from localai.cards.importers.draft import Draft
from localai.cards.importers.imported import CannotImport
from localai.cards.importers.localai_backends import hub_reference
from localai.cards.importers.localai_keys import Keys, listed
from localai.cards.importers.localai_place import UNFETCHABLE, Place
from localai.cards.importers.notes import shown
from localai.file_kinds import is_archive
from localai.references import is_reference

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def take_model(keys: Keys, draft: Draft, model: str, place: Place) -> Described | None:
    """Put the model's path or reference on the card; return what its file says, if it is here."""
    if not model:
        if not draft.manifest.needs_model:
            return None
        voice = str(keys.look("tts.voice") or "")
        if not voice.endswith(".onnx"):
            raise place.refusal("names no model: write `parameters.model`.")
        model = keys.text("tts.voice")
    place.check_inside(model, "model")
    here = place.local(model)
    written = str(here) if here is not None else _not_here(keys, draft, model, place)
    draft.put("model", written)
    source = _source(keys, written)
    file = here or place.fetched(place.reference(source) or source)
    return _described(file, draft) if file is not None else None


def _described(path: Path, draft: Draft) -> Described | None:
    try:
        return describe_file(path)
    except CannotImport as error:
        draft.note(f"The model's file cannot be used as it is: {error}")
        return None


def _source(keys: Keys, written: str) -> str:
    """Return what is to be fetched for the model of that path or reference."""
    uris = (file["uri"] for file in _downloads(keys) if file.get("filename") == written)
    return str(next(uris, written))


def _downloads(keys: Keys) -> Iterator[Mapping[str, Any]]:
    for entry in listed(keys.look("download_files")):
        if isinstance(entry, dict) and entry.get("uri"):
            yield entry


def _not_here(keys: Keys, draft: Draft, model: str, place: Place) -> str:
    for file in _downloads(keys):
        if model in (file.get("filename"), file["uri"]):
            return str(file.get("filename") or place.reference(model) or model)
    if is_reference(model):
        reference = place.reference(model)
        if reference is None:
            raise place.refusal(f"its model '{model}' cannot be fetched: {UNFETCHABLE}.")
        return reference
    if reference := hub_reference(model, draft.backend):
        return reference
    if not any(is_archive(str(file["uri"])) for file in _downloads(keys)):
        draft.note(f"The model's file '{model}' is not here: put it beside the card.")
    return model


def take_files(keys: Keys, draft: Draft, place: Place) -> None:
    """Move `download_files` to the card's files."""
    entries = keys.take("download_files")
    files = list(draft.get("files") or ())
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        said = f"download_files[{number}]"
        if not isinstance(entry, dict) or not entry.get("uri"):
            draft.leave_out(said, "it names no `uri`", entry)
            continue
        files += _file(entry, said, draft, place)
    if entries is not None and not isinstance(entries, list):
        draft.leave_out("download_files", "it is no list", entries)
    draft.put("files", files or None)


def _file(
    entry: Mapping[str, Any], said: str, draft: Draft, place: Place
) -> Iterator[dict[str, str]]:
    uri = str(entry["uri"])
    path = str(entry.get("filename") or uri.rpartition("/")[2])
    place.check_inside(path, "file")
    reference, checksum = place.reference(uri), _checksum(entry, said, draft)
    for key in sorted(set(entry) - {"filename", "uri", "sha256"}):
        draft.leave_out(f"{said}.{key}", "a card's files have no such key")
    if reference is None:
        draft.note(
            f"`{said}` ({shown(uri)}) cannot be fetched: {UNFETCHABLE}. Put {path} beside the card."
        )
        return
    yield {"path": path, "uri": reference} | checksum


def _checksum(entry: Mapping[str, Any], said: str, draft: Draft) -> dict[str, str]:
    text = str(entry.get("sha256") or "")
    if text and not _SHA256.fullmatch(text):
        draft.leave_out(f"{said}.sha256", "it is no sha256", text)
        return {}
    return {"sha256": text.lower()} if text else {}


def take_projector(keys: Keys, draft: Draft, place: Place) -> None:
    """Move `mmproj` to the option, and what it fetches to the card's files."""
    name = keys.text("mmproj")
    if name:
        put_projector(name, "mmproj", draft, place)


def put_projector(name: str, said: str, draft: Draft, place: Place) -> None:
    """Take a projector by its path or its address; raises CannotImport for one outside."""
    place.check_inside(name, "projector")
    here = place.local(name)
    if is_reference(name):
        reference = place.reference(name)
        if reference is None:
            draft.leave_out(said, UNFETCHABLE, name)
            return
        file = name.partition("?")[0].partition("@")[0].rpartition("/")[2]
        draft.put("files", [*(draft.get("files") or ()), {"path": file, "uri": reference}])
        name = file
    draft.option("mmproj", str(here or name), said)


def take_adapters(keys: Keys, draft: Draft, place: Place) -> None:
    """Move LoRA adapters to the option of pictures; other backends leave them out with a note."""
    if draft.backend != "diffusers":
        return
    paths = [keys.text("lora_adapter"), *listed(keys.take("lora_adapters"))]
    scales = [keys.take("lora_scale"), *listed(keys.take("lora_scales"))]
    if not paths[0]:
        paths, scales = paths[1:], scales[1:] or [scales[0]] * len(paths)
    adapters = [
        {"path": _adapter(str(path), draft, place)} | _scale(scale, draft)
        for path, scale in zip(paths, [*scales, *[None] * len(paths)], strict=False)
    ]
    if adapters:
        draft.option("lora", adapters, "lora_adapters")


def _adapter(path: str, draft: Draft, place: Place) -> str:
    """Return an adapter's path: absolute where it is here, as a card counts from the model."""
    place.check_inside(path, "adapter")
    here = place.local(path)
    if here is None:
        draft.note(
            f"The adapter '{path}' is not here: put it into the model's folder, from where "
            "`options.lora` counts its paths, or write an absolute one."
        )
    return str(here or path)


def _scale(scale: Any, draft: Draft) -> dict[str, float]:
    if scale is None:
        return {}
    try:
        return {"scale": scale if isinstance(scale, int | float) else float(str(scale))}
    except ValueError:
        draft.note(f"The scale {shown(scale)!r} of an adapter is left out: it is no number.")
        return {}
