"""Cards for what was described elsewhere: LocalAI's YAML, Modelfiles, models' own files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from localai.cards.importers.checks import check_card_of, check_names
from localai.cards.importers.derived import CardCalled, no_cards
from localai.cards.importers.describe import describe_file
from localai.cards.importers.draft import draft_for, model_name
from localai.cards.importers.folders import describe_folder
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.localai_yaml import import_localai_file, import_localai_folder
from localai.cards.importers.modelfile import import_modelfile
from localai.cards.importers.ollama_layers import is_blob_name
from localai.cards.localai_models import models_of_localai
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, Locate, nowhere
from localai.cards.schema import ModelName
from localai.cards.shards import without_number
from localai.files import place_of

_YAML = frozenset({".yaml", ".yml"})
_NAME = TypeAdapter(ModelName)
_SNIFFED = 64 << 10
_FROM = re.compile(rb"^[ \t]*FROM[ \t]+\S", re.IGNORECASE | re.MULTILINE)


def import_card(
    source: str | Path,
    backends: Backends,
    *,
    name: str | None = None,
    locate: Locate = nowhere,
    card_called: CardCalled = no_cards,
) -> Imported:
    """Return the card for the one model that `source` describes.

    `source` is a file or folder on this machine that its user named: what came from elsewhere is
    for `import_model`. `locate` knows what was fetched before, and how references are spelled;
    `card_called` knows the models that FROM can name. Raises CannotImport for what is damaged,
    holds several models, or is run by no backend here.
    """
    cards = import_cards(source, backends, name=name, locate=locate, card_called=card_called)
    if len(cards) > 1:
        names = ", ".join(card.card["name"] for card in cards)
        raise CannotImport(
            f"holds several models ({names}): write their cards into a folder.", path=str(source)
        )
    return cards[0]


def import_cards(
    source: str | Path,
    backends: Backends,
    *,
    name: str | None = None,
    locate: Locate = nowhere,
    card_called: CardCalled = no_cards,
) -> list[Imported]:
    """Return a card for each model that `source` describes; see `import_card`."""
    path = _path_of(source)
    if path.is_file() and path.suffix.lower() in _YAML:
        cards = _of_yaml(path, backends, locate)
    elif path.is_file() and (is_modelfile_name(path.name) or is_modelfile_text(path)):
        cards = [import_modelfile(path, backends, locate, card_called, name)]
    elif yamls := _yamls_of_localai(path, backends):
        cards = import_localai_folder(yamls, backends, locate)
    else:
        cards = [_import_model(path, backends)]
    return _checked(cards, path, backends, name)


def import_model(
    source: str | Path,
    backends: Backends,
    *,
    name: str | None = None,
    reference: str | None = None,
    trust: bool = False,
) -> Imported:
    """Return the card for the model that a file or folder is, whatever descriptions lie in it.

    Where it was fetched, `reference` is what its user called it: the card names that instead of
    the path, if it is a model's file. `trust` takes pickles. Raises CannotImport as `import_card`.
    """
    path = _path_of(source)
    return _checked([_import_model(path, backends, reference, trust)], path, backends, name)[0]


def _checked(
    cards: list[Imported], path: Path, backends: Backends, name: str | None
) -> list[Imported]:
    """Return the cards, a single one as `name`; raises CannotImport for one that is wrong."""
    if name is not None:
        cards = _renamed(cards, name, path)
    check_names(cards, path)
    for card in cards:
        check_card_of(card, backends, path)
    return cards


def _path_of(source: str | Path) -> Path:
    """Return the absolute path of what is there; raises CannotImport for anything else.

    A file that is a link keeps its own name: the store links what another program has.
    """
    try:
        path = place_of(Path(source).expanduser())
        if not path.exists():
            raise CannotImport("does not exist.", path=str(source))
    except (OSError, RuntimeError, ValueError) as error:
        raise CannotImport(f"cannot be read: {error}.", path=str(source)) from error
    # What is neither, as a named pipe, could keep its reader waiting for ever.
    if not (path.is_file() or path.is_dir()):
        raise CannotImport("is neither a file nor a folder.", path=str(source))
    return path


def _of_yaml(path: Path, backends: Backends, locate: Locate) -> list[Imported]:
    if check_card(path, backends).resolved is not None:
        raise CannotImport("is a card already: put it into the models folder.", path=str(path))
    return import_localai_file(path, backends, locate)


def _yamls_of_localai(folder: Path, backends: Backends) -> list[Path]:
    """Return the YAMLs of a folder with LocalAI's models; nothing for a model in a folder.

    What a folder says itself that it is counts before what else lies in it.
    """
    if not folder.is_dir() or describe_folder(folder) is not None:
        return []
    shown = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    files = [path for path in shown if path.suffix.lower() in _YAML and path.is_file()]
    return files if any(models_of_localai(path, backends) for path in files) else []


def is_description(path: Path, backends: Backends) -> bool:
    """Tell whether a file, or those of a folder, describe models and are none themselves."""
    if not path.is_file():
        return bool(_yamls_of_localai(path, backends))
    is_yaml = path.suffix.lower() in _YAML
    return is_yaml or is_modelfile_name(path.name) or is_modelfile_text(path)


def is_modelfile_name(name: str) -> bool:
    """Tell whether a file of that name is a Modelfile, whatever is in it."""
    return name.lower().startswith("modelfile") or name.lower().endswith(".modelfile")


def is_modelfile_text(path: Path) -> bool:
    """Tell whether a file has a line that only a Modelfile has."""
    with path.open("rb") as file:
        head = file.read(_SNIFFED)
    return b"\0" not in head and _FROM.search(head) is not None


def _import_model(
    path: Path, backends: Backends, reference: str | None = None, trust: bool = False
) -> Imported:
    described = describe_file(path, trust)
    if described.backend is None or described.backend not in backends:
        raise CannotImport(described.reason, path=str(path))
    draft = draft_for(described.backend, backends)
    called_by_hash = is_blob_name(path.name) and described.name
    draft.name(model_name(described.name if called_by_hash else _stem(path)))
    draft.put("description", described.name if described.name not in (path.name, path.stem) else "")
    # A reference leads to what was fetched, not to the one file in it that the backend wants.
    own = str(path) if described.model in (None, str(path)) else described.model
    draft.put("model", reference if reference and own == str(path) else own)
    if described.is_trusted:
        draft.put("trust", True)
    for option, value in described.options.items():
        draft.option(option, value, option)
    for parameter, value in described.defaults.items():
        draft.default(parameter, value, parameter)
    for limit, value in described.limits.items():
        draft.limit(limit, value, limit)
    if described.capabilities:
        draft.capabilities(described.capabilities)
    draft.note(*described.notes)
    return draft.finish(described.reason)


def _stem(path: Path) -> str:
    """Return the part of a file's name that names the model."""
    return path.name if path.is_dir() else Path(without_number(path.name)).stem


def _renamed(cards: Sequence[Imported], name: str, path: Path) -> list[Imported]:
    if len(cards) > 1:
        raise CannotImport("holds several models, which cannot share a name.", path=str(path))
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise CannotImport(f"{reason}.", path=str(path)) from error
    return [replace(card, card=card.card | {"name": name}) for card in cards]
