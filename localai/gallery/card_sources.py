"""Cards of what lies anywhere: files here, texts elsewhere, and models that are pulled first."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from localai.cards.importers.derived import CardCalled, no_cards
from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_cards, is_modelfile_name, is_modelfile_text
from localai.cards.resolved import Backends
from localai.errors import InvalidReference
from localai.file_kinds import is_archive, is_model_file
from localai.gallery.fetching import DESCRIPTION, fetch_text
from localai.gallery.galleries import Galleries
from localai.gallery.install import brought_card, pulling_from
from localai.gallery.named import entry_named
from localai.gallery.pulled import import_pulled, refuse_not_run
from localai.references import (
    FileReference,
    HubReference,
    NameReference,
    Reference,
    UrlReference,
    local_path,
    scheme_of,
)
from localai.store.errors import NotInRegistry
from localai.store.naming import suggested_name
from localai.store.progress import Report, ignore
from localai.store.transports import hub
from localai.store.whereabouts import Locator

if TYPE_CHECKING:
    from localai.store.store import Store

_YAML = (".yaml", ".yml")
_GITHUB_PAGE = re.compile(r"https?://github\.com/([^/]+/[^/]+)/(?:blob|raw)/(.+)")


@dataclass(frozen=True)
class CardSources:
    """Makes cards of what SOURCE names, with models from `store` and names from `galleries`."""

    store: Store
    galleries: Galleries
    backends: Backends
    progress: Report = ignore
    card_called: CardCalled = no_cards
    """Knows the cards of this machine, for Modelfiles that name one."""

    def cards_of(self, source: str, name: str | None = None) -> list[Imported]:
        """Return the cards of a file or folder here, of a text elsewhere, or of a model.

        A model is pulled, and its card names its reference. Raises a LocalAIError that says what
        is wrong with the source.
        """
        path = _path_here(source)
        if path is not None:
            return self._import(path, name)
        reference = self.store.reference(source)
        if isinstance(reference, FileReference):
            raise NotInRegistry(f"{reference.path} does not exist.")
        if isinstance(reference, NameReference):
            return [self._of_gallery(reference.name, name)]
        if is_text(reference):
            return self._of_text(reference, name)
        name = name or suggested_name(reference)
        model = self.store.pull(source, check=refuse_not_run, progress=self.progress)
        return [import_pulled(name, model, self.store.folder, self.backends, str(reference))]

    def _import(self, path: Path, name: str | None) -> list[Imported]:
        locate = Locator(self.store.folder)
        return import_cards(
            path, self.backends, name=name, locate=locate, card_called=self.card_called
        )

    def _of_gallery(self, text: str, name: str | None) -> Imported:
        entry = entry_named(self.galleries, text)
        entry = entry if name is None else entry.model_copy(update={"name": name})
        pull, _ = pulling_from(self.store, progress=self.progress)
        reason = f"The gallery's model '{entry.name}' is run by {entry.backend}."
        return Imported(brought_card(entry, pull), entry.notes, reason)

    def _of_text(self, reference: Reference, name: str | None) -> list[Imported]:
        with _fetched(reference, self.store) as path:
            try:
                found = self._import(path, name)
            except CannotImport as error:
                raise _said_of(reference, error, path) from error
        return [
            replace(one, notes=tuple(note.replace(f"{path.parent}/", "") for note in one.notes))
            for one in found
        ]


def _path_here(source: str) -> Path | None:
    """Return the path of what SOURCE names on this machine; None for what lies elsewhere."""
    path = local_path(source)
    is_named = scheme_of(source) == "file"
    return path if path is not None and (is_named or path.exists()) else None


def is_text(reference: Reference) -> bool:
    """Tell whether a reference names a description of a model, and not the model itself."""
    if isinstance(reference, HubReference):
        file = PurePosixPath(reference.file or "")
        return file.suffix.lower() in _YAML or is_modelfile_name(file.name)
    if isinstance(reference, UrlReference):
        name = _last_part(reference.url)
        return not (is_model_file(name) or is_archive(name))
    return False


@contextmanager
def _fetched(reference: Reference, store: Store) -> Iterator[Path]:
    """Bring a text into a folder of its own, under the name that tells what it is."""
    with tempfile.TemporaryDirectory(prefix="localai-") as folder:
        target = Path(folder).resolve() / "text"
        if isinstance(reference, HubReference):
            _fetch_from_hub(reference, store, target)
            name = PurePosixPath(str(reference.file)).name
        elif isinstance(reference, UrlReference):
            url = _raw_page(reference.url)
            target.write_text(fetch_text(url, expected=DESCRIPTION), "utf-8")
            name = _last_part(url)
        else:
            raise InvalidReference(f"{reference} is no text.")
        yield target.rename(target.with_name(_telling_name(name, target)))


def _fetch_from_hub(reference: HubReference, store: Store, target: Path) -> None:
    """Fetch one file of the hub, with its mirror, its token and its cache."""
    files = hub.resolve(reference).files
    if len(files) != 1:
        raise InvalidReference(f"{reference} is a folder: name one file in it.", param="model")
    if (files[0].size or 0) > DESCRIPTION.most_bytes:
        raise DESCRIPTION.too_large(str(reference))
    if (cached := local_path(files[0].url)) is not None:  # without a network, in the hub's cache
        target.write_bytes(cached.read_bytes())
    else:
        store.fetch(files[0], target)


def _last_part(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


def _raw_page(url: str) -> str:
    """Return the address of the text that a page of GitHub shows."""
    page = _GITHUB_PAGE.fullmatch(url.partition("?")[0].partition("#")[0])
    return f"https://raw.githubusercontent.com/{page[1]}/{page[2]}" if page else url


def _telling_name(name: str, text: Path) -> str:
    """Return a file name that the import reads rightly: what is no Modelfile is YAML."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".") or "model"
    if clean.lower().endswith(_YAML) or is_modelfile_name(clean) or is_modelfile_text(text):
        return clean
    return f"{clean}.yaml"


def _said_of(reference: Reference, error: CannotImport, path: Path) -> CannotImport:
    """Return an error in terms of what a person named, and not of the copy that was read."""
    reason = error.reason.replace(f"{path.parent}/", "")
    return CannotImport(reason, path=str(reference), line=error.line)
