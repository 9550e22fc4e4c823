"""Cards as the catalog holds them, of files that the tests write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from localai.cards.reading import check_card
from localai.cards.resolved import Locate, ResolvedCard, nowhere
from tests.unit.gallery.samples import BACKENDS


def resolved(
    folder: Path, name: str, locate: Locate = nowhere, **content: Mapping[str, Any] | Any
) -> ResolvedCard:
    """Return a card that was written into `folder`, of llama_cpp where nothing else is said."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, "backend": "llama_cpp", **content}))
    checked = check_card(path, BACKENDS, "user")
    assert checked.resolved is not None, checked.problems
    return replace(checked.resolved, locate=locate)
