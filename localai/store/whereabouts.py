"""Where a model lies that was pulled before: a look at its record, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localai.store.errors import InvalidReference
from localai.store.pulling import has_size
from localai.store.records import Records
from localai.store.references import parse_reference


def locator(folder: Path) -> Callable[[str], Path | None]:
    """Return what tells where the store in `folder` has a reference; None where it is not whole."""
    records = Records(folder.absolute())

    def locate(text: str) -> Path | None:
        try:
            reference = str(parse_reference(text))
        except InvalidReference:
            return None
        model = records.get(reference)
        if model is None:
            return None
        whole = all(has_size(records.folder / file.path, file.size) for file in model.files)
        return model.model if whole and model.model.exists() else None

    return locate
