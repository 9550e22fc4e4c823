"""A card's file to a resolved card, or to all that is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from localai.cards.complaints import complaints_in
from localai.cards.options import resolve_options
from localai.cards.parameters import BELONGS_TO_THE_CALL, PARAMETERS
from localai.cards.problems import Complaint, Location, Problem
from localai.cards.resolved import Backends, ResolvedCard, Source
from localai.cards.schema import Card, CardFile, Limits, content_digest
from localai.cards.yaml_source import YamlSource, read_yaml
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
class CheckedCard:
    """What reading a file gave: the card, or the problems; never both."""

    text: YamlSource
    resolved: ResolvedCard | None
    problems: tuple[Problem, ...] = ()

    @property
    def path(self) -> Path:
        """Return the card's file."""
        return self.text.path


def check_card(path: Path, backends: Backends, source: Source = "user") -> CheckedCard:
    """Read a card's file and collect everything that is wrong with it."""
    text = read_yaml(path)
    if text.data is None:
        return CheckedCard(text, None, tuple(text.problems))
    resolved, complaints = _check_data(text, backends, source)
    problems = [*text.problems, *(_placed(one, text) for one in complaints)]
    if problems:
        return CheckedCard(text, None, tuple(sorted(problems, key=lambda p: p.line or 0)))
    return CheckedCard(text, resolved)


def _check_data(
    text: YamlSource, backends: Backends, source: Source
) -> tuple[ResolvedCard | None, list[Complaint]]:
    try:
        # JSON mode can be strict about types and still takes lists for tuples, text for enums.
        card = Card.model_validate_json(json.dumps(text.data), strict=True)
    except ValidationError as error:
        return None, complaints_in(error, _without_union_tags, _unknown_key)
    if card.backend not in backends:
        return None, [Complaint(("backend",), _unknown_backend(card.backend, backends))]
    folder, manifest = backends[card.backend]
    options, complaints = resolve_options(card, manifest)
    complaints += _against_backend(card, manifest)
    capabilities = card.capabilities or tuple(manifest.usual_capabilities(options))
    content = [card.model_dump(mode="json"), options, list(capabilities)]
    resolved = ResolvedCard(
        card=card,
        path=text.path,
        manifest=manifest,
        backend_folder=folder,
        capabilities=capabilities,
        options=options,
        digest=content_digest(content),
        created=int(text.path.stat().st_mtime),
        source=source,
        aliases=card.aliases,
    )
    return resolved, complaints


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


def _placed(complaint: Complaint, text: YamlSource) -> Problem:
    return Problem(text.path, text.line_of(complaint.location), complaint.message)


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
