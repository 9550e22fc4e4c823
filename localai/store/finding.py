"""Which model of the store a text or a file means; nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from localai.errors import InvalidReference
from localai.files import place_of
from localai.references import (
    FileReference,
    HubReference,
    NameReference,
    Reference,
    parse_reference,
)
from localai.store.records import Records, StoredModel
from localai.store.shortnames import spelled_out

_SHORTEST_ID = 4


def reference_of(text: str) -> Reference:
    """Return what `text` names: short names are replaced, a path that exists is a path."""
    text = spelled_out(text)
    reference = parse_reference(text)
    bare = isinstance(reference, HubReference | NameReference) and "://" not in text
    if bare and ("/" in text or text.endswith(".gguf")) and Path(text).exists():
        return FileReference(Path(text))
    return reference


def find_record(records: Records, text: str) -> StoredModel | None:
    """Return the model of a reference, a name it was copied to, or the start of its id alone."""
    if (model := records.get(text)) is not None:
        return model
    with suppress(InvalidReference):
        if (model := records.get(str(reference_of(text)))) is not None:
            return model
    if len(text) >= _SHORTEST_ID and all(char in "0123456789abcdef" for char in text):
        matching = [one for one in records.readable() if one.id.startswith(text)]
        return matching[0] if len({one.id for one in matching}) == 1 else None
    return None


def owner_of(path: Path, models: Iterable[StoredModel], store: Path) -> StoredModel | None:
    """Return the model that a file or folder of `store` belongs to."""
    found = place_of(path)
    for model in models:
        files = {store / file.path for file in model.files}
        if found in files or found in {model.model, model.folder}:
            return model
    return None
