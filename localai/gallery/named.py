"""What the name of a gallery's model means where a reference is expected."""

from __future__ import annotations

import logging
import threading

from localai.cards.resolved import Meaning
from localai.errors import LocalAIError, ModelNotFound, nearest
from localai.gallery.card_of import model_path
from localai.gallery.entry import Entry
from localai.gallery.galleries import Galleries
from localai.store.shortnames import load_shortnames

_LOG = logging.getLogger("localai.gallery")


class GalleryNames:
    """Tells the model file of an entry by `name` or `gallery@name`, for cards that name it.

    The galleries are read again when a file of theirs has changed.
    """

    def __init__(self, galleries: Galleries) -> None:
        self._galleries = galleries
        self._known: dict[str, Meaning | None] = {}
        self._stamp: tuple[object, ...] = ()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Meaning | None:
        """Return the model file's reference and hash; None where no gallery has the name."""
        with self._lock:
            stamp = self._galleries.stamp()
            if stamp != self._stamp:
                self._known, self._stamp = {}, stamp
            if name not in self._known:
                self._known[name] = self._look_up(name)
            return self._known[name]

    def _look_up(self, name: str) -> Meaning | None:
        try:
            return meaning_of(self._galleries.find(name))
        except ModelNotFound:
            return None  # the card's failure says what the name could have been
        except LocalAIError as error:
            _LOG.warning("The galleries are not asked for '%s': %s", name, error.message)
            return None


def meaning_of(entry: Entry) -> Meaning | None:
    """Return the model file of an entry; None where it comes in an archive with others."""
    path = model_path(entry)
    file = next((one for one in entry.files if one.path == path), None)
    return None if file is None else Meaning(file.uri, file.sha256)


def entry_named(galleries: Galleries, name: str) -> Entry:
    """Return the entry that `name` or `gallery@name` names.

    Raises ModelNotFound with near names, short ones too, and what else could be written.
    """
    try:
        return galleries.find(name)
    except ModelNotFound as error:
        indexes = galleries.all()
        if "@" in name or any(name in index.unusable for index in indexes):
            raise
        known = [*load_shortnames(), *(one for index in indexes for one in index.entries)]
        text = " ".join([_unknown(name, nearest(name, known)), *map(str, galleries.troubles())])
        raise ModelNotFound(text, param="model") from error


def _unknown(name: str, hint: str) -> str:
    text = (
        f"'{name}' is no short name and no model of a gallery.{hint} `localai search WORDS` looks "
        "for models. "
    )
    if ":" in name:
        return text + (
            f"Ollama's model of that name is pulled by `localai pull ollama://{name}`; others are "
            "written hf://org/repo, oci://host/repo:tag, https://… or as a path."
        )
    return text + (
        f"What lies elsewhere is written hf://org/repo, ollama://{name}, oci://host/repo, "
        "https://… or as a path."
    )
