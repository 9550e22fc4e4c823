"""Cards that the store has noted with a model, of whatever models folder: who else needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.cards.writing import read_content
from localai.errors import InvalidReference
from localai.references import NameReference
from localai.store.places import place_of

if TYPE_CHECKING:
    from localai.store.records import StoredModel
    from localai.store.store import Store


def noted_cards(model: StoredModel, store: Store) -> list[Path]:
    """Return the noted cards that are still there and name `model`.

    One that cannot be read counts, and so does one that names its model by a gallery's name: which
    that is, only its own gateway knows.
    """
    # Older records have bare names, which do not tell where the card is.
    paths = (Path(text) for text in model.cards if Path(text).is_absolute())
    return [path for path in paths if path.exists() and _names(path, model, store)]


def _names(card: Path, model: StoredModel, store: Store) -> bool:
    content = read_content(card)
    if content is None:
        return True
    files = [place_of(store.folder / file.path) for file in model.files]
    around = {folder for file in files for folder in file.parents if store.folder in folder.parents}
    places = {*files, *around, place_of(model.model)}
    return any(
        place_of(card.parent / Path(text).expanduser()) in places
        or _means(text, card.parent, model, store)
        for text in _texts(content)
    )


def _means(text: str, folder: Path, model: StoredModel, store: Store) -> bool:
    try:
        reference = store.reference(text)
    except InvalidReference:
        return False
    if isinstance(reference, NameReference):
        return not (folder / text).exists()
    return str(reference) == model.reference


def _texts(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may name a file: the model, the files' addresses, and options with a path."""
    if isinstance(model := content.get("model"), str):
        yield model
    files = content.get("files")
    for file in files if isinstance(files, list) else ():
        yield from (str(file[key]) for key in ("path", "uri") if key in file)
    options = content.get("options")
    for value in options.values() if isinstance(options, dict) else ():
        if isinstance(value, str) and "/" in value and "\n" not in value:
            yield value
