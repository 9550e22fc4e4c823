"""What is wrong with a card's content: by its schema, and by the backend that is to run it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from localai.cards.complaints import complaints_in
from localai.cards.options import resolve_options
from localai.cards.parameters import BELONGS_TO_THE_CALL, PARAMETERS
from localai.cards.problems import Complaint, Location
from localai.cards.resolved import Backends
from localai.cards.schema import Card, CardFile, Limits
from localai.errors import nearest
from localai.protocol.manifest import Manifest

_KEYS: dict[str, Collection[str]] = {
    "": Card.model_fields,
    "limits": Limits.model_fields,
    "files": CardFile.model_fields,
    "defaults": PARAMETERS,
}
_UNION_TAG = re.compile(r"str|int|float|bool|constrained-str|(list|dict)\[.*\]")


@dataclass(frozen=True)
class Checked:
    """A card's content, as far as it passes."""

    complaints: list[Complaint]
    card: Card | None = None
    """None where the content does not fit the schema, or the backend is not here."""
    options: dict[str, Any] = field(default_factory=dict)
    """The card's options, with the backend's defaults filled in."""


def check_content(content: Mapping[str, Any], backends: Backends) -> Checked:
    """Check what a card's file holds against its schema and its backend."""
    try:
        card = valid_card(content)
    except ValidationError as error:
        return Checked(complaints_in(error, _without_union_tags, _unknown_key))
    if card.backend not in backends:
        return Checked([Complaint(("backend",), _unknown_backend(card.backend, backends))])
    manifest = backends[card.backend][1]
    options, complaints = resolve_options(card, manifest)
    return Checked([*complaints, *_against_backend(card, manifest)], card, options)


def complaints_of(content: Mapping[str, Any], backends: Backends) -> list[Complaint]:
    """Return everything that is wrong with a card's content, each at its place in it."""
    return check_content(content, backends).complaints


def valid_card(content: Mapping[str, Any]) -> Card:
    """Return the card, as strictly as its file is read; raises ValidationError."""
    # JSON mode can be strict about types and still takes lists for tuples, text for enums.
    return Card.model_validate_json(json.dumps(content), strict=True)


def _against_backend(card: Card, manifest: Manifest) -> Iterator[Complaint]:
    if manifest.needs_model and card.model is None:
        text = f"the backend '{manifest.name}' needs 'model': the path of the model's file"
        yield Complaint(("backend",), text)
    for index, capability in enumerate(card.capabilities or ()):
        if capability not in manifest.capabilities:
            has = ", ".join(manifest.capabilities)
            text = f"the backend '{manifest.name}' cannot do '{capability}', only: {has}"
            yield Complaint(("capabilities", index), text)


def _unknown_backend(name: str, backends: Backends) -> str:
    known = ", ".join(sorted(backends)) or "none"
    return f"there is no backend '{name}', only: {known}.{nearest(name, backends)}"


def _without_union_tags(error: ErrorDetails) -> Location:
    place = error["loc"]
    if place[:1] != ("defaults",) or error["type"] == "extra_forbidden":
        return place
    tagless = (part for part in place[2:] if not _UNION_TAG.fullmatch(str(part)))
    return (*place[:2], *tagless)


def _unknown_key(location: Location) -> str:
    key, parent = str(location[-1]), str(location[0]) if len(location) > 1 else ""
    if parent == "defaults" and key in BELONGS_TO_THE_CALL:
        return f"'{key}' belongs to each call and cannot have a default"
    home = next((home for home in ("defaults", "limits") if key in _KEYS[home]), None)
    if home is not None and not parent:
        return f"unknown key '{key}': write it under '{home}'"
    where = f" in '{parent}'" if parent else ""
    return f"unknown key '{key}'{where}.{nearest(key, _KEYS.get(parent, ()))}"
