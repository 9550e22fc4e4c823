"""A gallery's entry to the card that runs it, and what is wrong with that card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from localai.cards.checking import complaints_of
from localai.cards.problems import Complaint
from localai.cards.resolved import Backends
from localai.file_kinds import is_archive
from localai.gallery.entry import Entry, EntryFile
from localai.protocol.manifest import Manifest

_IN_CARD = frozenset({"options", "defaults", "limits", "keep_alive", "model"})


def card_of(entry: Entry, places: Mapping[str, Path | str] | None = None) -> dict[str, Any]:
    """Return the card of `entry` as its file holds it.

    `places` says where each path of its files is on this machine; the others are taken to lie
    where the card lies.
    """
    where = {path: str(place) for path, place in (places or {}).items()}
    card: dict[str, Any] = {"name": entry.name}
    if entry.description:
        card["description"] = entry.description
    card["capabilities"] = [capability.value for capability in entry.capabilities]
    card["backend"] = entry.backend
    card["model"] = where_is(model_path(entry), where)
    card["files"] = [_file(file, where) for file in entry.files]
    return card | _partial(entry, where)


def model_path(entry: Entry) -> str:
    """Return which of the entry's paths is the model itself."""
    return entry.card.model or entry.files[0].path


def where_is(path: str, places: Mapping[str, str]) -> str:
    """Return the place of `path`, which may lie inside a folder that has one."""
    if path in places:
        return places[path]
    for folder, place in places.items():
        if path.startswith(f"{folder}/"):
            return f"{place}/{path.removeprefix(f'{folder}/')}"
    return path


def card_complaints(entry: Entry, backends: Backends) -> Iterator[Complaint]:
    """Yield what is wrong with the entry's card, each at its place in the entry."""
    manifest = backends[entry.backend][1] if entry.backend in backends else None
    if manifest is not None:
        yield from _stray_paths(entry, manifest)
    yield from map(_in_entry, complaints_of(card_of(entry), backends))
    if manifest is not None:
        yield from _without_option(entry, manifest)


def _file(file: EntryFile, places: Mapping[str, str]) -> dict[str, Any]:
    kept = {"path": where_is(file.path, places), "uri": file.uri}
    return kept if file.sha256 is None else {**kept, "sha256": file.sha256}


def _partial(entry: Entry, places: Mapping[str, str]) -> dict[str, Any]:
    partial = entry.card.model_dump(mode="json", exclude_unset=True, exclude={"model"})
    if "options" in partial:
        partial["options"] = _replaced(partial["options"], entry, places)
    return {key: value for key, value in partial.items() if value not in ({}, None)}


def _replaced(value: Any, entry: Entry, places: Mapping[str, str]) -> Any:
    """Return an option's value with the entry's paths replaced by their places."""
    if isinstance(value, str):
        return where_is(value, places) if _is_of_entry(value, entry) else value
    if isinstance(value, list):
        return [_replaced(one, entry, places) for one in value]
    if isinstance(value, dict):
        return {key: _replaced(one, entry, places) for key, one in value.items()}
    return value


def _is_of_entry(path: str, entry: Entry) -> bool:
    return any(path == file.path or path.startswith(f"{file.path}/") for file in entry.files)


def _stray_paths(entry: Entry, manifest: Manifest) -> Iterator[Complaint]:
    if not _is_of_entry(model_path(entry), entry) and not _has_archive(entry):
        yield Complaint(("card", "model"), f"card.model: none of 'files' is '{entry.card.model}'")
    for name, spec in manifest.options.items():
        value = entry.card.options.get(name)
        if spec.is_path and isinstance(value, str) and not _is_of_entry(value, entry):
            text = f"card.options.{name}: none of 'files' is '{value}'"
            yield Complaint(("card", "options", name), text)


def _has_archive(entry: Entry) -> bool:
    # What an archive holds shows when it is unpacked.
    return any(is_archive(file.path) for file in entry.files)


def _without_option(entry: Entry, manifest: Manifest) -> Iterator[Complaint]:
    """Yield the capabilities that a backend has by an option alone, which is not set."""
    granting = {c: name for name, spec in manifest.options.items() for c in spec.grants}
    for index, capability in enumerate(entry.capabilities):
        option = granting.get(capability)
        if option is not None and not entry.card.options.get(option):
            text = f"'{capability}' needs the option '{option}' under card.options"
            yield Complaint(("capabilities", index), text)


def _in_entry(complaint: Complaint) -> Complaint:
    inside = complaint.location[:1] and complaint.location[0] in _IN_CARD
    location = ("card", *complaint.location) if inside else complaint.location
    return Complaint(location, complaint.message)
