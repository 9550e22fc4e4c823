"""The card of a model that was pulled by its reference, decided from its own files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from localai.cards.importers.importing import import_card
from localai.cards.resolved import Backends
from localai.cards.schema import Card
from localai.errors import InvalidRequest

if TYPE_CHECKING:
    from localai.store.records import StoredModel


def card_of_pulled(
    name: str, model: StoredModel, store: Path, backends: Backends
) -> tuple[Card, str]:
    """Return the card that runs `model` as `name`, and why so, as a sentence.

    Raises CannotImport for damaged files, and for those that no backend here runs.
    """
    found = import_card(model.model, backends, name=name)
    projector = model.path_of("projector", store)
    if projector is not None and "mmproj" in backends[found.card["backend"]][1].options:
        found.card.setdefault("options", {})["mmproj"] = str(projector)
    return Card.model_validate(found.card), found.backend_reason


def write_card(card: Card, models: Path) -> Path:
    """Write `card` into the folder `models` and return its file.

    Raises InvalidRequest when a card of other content is there.
    """
    target = models / f"{re.sub('[/:]', '-', card.name)}.yaml"
    content = card.model_dump(mode="json", exclude_unset=True)
    if target.exists():
        if yaml.safe_load(target.read_text("utf-8")) == content:
            return target
        raise InvalidRequest(
            f"There is a card {target} already, of other content: choose another 'name'.",
            param="name",
        )
    models.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
    os.replace(part, target)
    return target
