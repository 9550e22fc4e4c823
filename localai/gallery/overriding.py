"""What a caller of LocalAI asks for beside a model: keys of LocalAI's configuration over a card.

What has no place in a card is refused with its name, since the caller has written it on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from localai.cards.importers.imported import CannotImport
from localai.cards.importers.localai_place import Place
from localai.cards.importers.localai_yaml import import_localai
from localai.cards.importers.notes import Note
from localai.cards.resolved import Backends
from localai.errors import UnsupportedParameter
from localai.gallery.card_of import model_path
from localai.gallery.entry import Entry
from localai.gallery.localai_format import deep_merge

_PARTS = ("options", "defaults", "limits", "keep_alive", "model")
_HERE_ALREADY = {"f16": True}
"""Keys that say what is so here without being said."""


def override_entry(entry: Entry, overrides: Mapping[str, Any], backends: Backends) -> Entry:
    """Return `entry` with LocalAI's keys over it; raises UnsupportedParameter."""
    card = {"name": entry.name, "backend": entry.backend, "model": model_path(entry)}
    files = [file.model_dump(mode="json") for file in entry.files]
    changes = changes_of(card | {"files": files}, overrides, backends)
    content = entry.model_dump(mode="json", exclude_unset=True)
    own = {key: changes.pop(key) for key in _PARTS if key in changes}
    content["card"] = deep_merge(content.get("card", {}), own)
    content["files"] += changes.pop("files", [])
    return Entry.model_validate(content | changes)


def changes_of(
    card: Mapping[str, Any],
    overrides: Mapping[str, Any],
    backends: Backends,
    folder: Path = Path("/dev/null/overrides"),
) -> dict[str, Any]:
    """Return the parts of a card that `overrides` ask for, without those that `card` has anyway.

    `folder` is where the card's model lies. Raises UnsupportedParameter.
    """
    wanted = {key: value for key, value in overrides.items() if _HERE_ALREADY.get(key) != value}
    below = {
        "name": card["name"],
        "backend": str(card["backend"]).replace("_", "-"),
        "parameters": {"model": card["model"]},
        "download_files": [
            {"filename": file["path"], "uri": file["uri"]} for file in card.get("files", ())
        ],
    }
    if isinstance(more := wanted.get("download_files"), list):
        wanted["download_files"] = [*below["download_files"], *more]
    try:
        imported = import_localai(deep_merge(below, wanted), Place(folder / "card", backends))
    except CannotImport as error:
        raise _refusal(error.reason) from None
    refuse_lost(imported.lost, wanted)
    return dict(_changes(imported.card, card, folder))


def refuse_lost(lost: Iterable[Note], overrides: Mapping[str, Any]) -> None:
    """Raise UnsupportedParameter if something of `overrides` is among what was `lost`."""
    asked = set(_keys(overrides))
    for note in lost:
        # One of LocalAI's `options` is named with its text, as `options: mlock:true`.
        if not asked.isdisjoint(key.partition(": ")[0] for key in note.keys):
            raise _refusal(note.text)


def _changes(
    after: Mapping[str, Any], before: Mapping[str, Any], folder: Path
) -> Iterator[tuple[str, Any]]:
    model = str(after.get("model", ""))
    if model not in {before["model"], str(folder / before["model"])}:
        yield "model", model
    known = {file["path"] for file in before.get("files", ())}
    if files := [file for file in after.get("files", ()) if file["path"] not in known]:
        yield "files", files
    if after["backend"] != before["backend"]:
        yield "backend", after["backend"]
    for key in ("description", "capabilities", "aliases", "options", "defaults", "limits"):
        if key in after:
            yield key, after[key]


def _keys(value: Any, key: str = "") -> Iterator[str]:
    """Yield every key, dotted and with those above it, as notes name them."""
    if key:
        yield key
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _keys(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _keys(one, f"{key}[{number}]")


def _refusal(reason: str) -> UnsupportedParameter:
    return UnsupportedParameter(
        f"'overrides' asks for what a card here cannot have: {reason}", param="overrides"
    )
