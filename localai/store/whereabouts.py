"""Where a model lies that was pulled before, and what a name means; nobody is asked for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from localai.cards.resolved import Meaning
from localai.errors import ConfigError
from localai.files import place_of
from localai.references import FileReference, NameReference, reference_or_none
from localai.store.finding import owner_of
from localai.store.records import Records
from localai.store.shortnames import spelled_out

_LOG = logging.getLogger("localai.store")

MeaningOf = Callable[[str], Meaning | None]
"""Tells which model a gallery's name stands for; None for a name that no gallery has."""


def _unnamed(_: str) -> Meaning | None:
    return None


class Locator:
    """Finds models of the store in `folder` by what a card calls them, or what `named` knows."""

    def __init__(self, folder: Path, named: MeaningOf = _unnamed) -> None:
        self._records = Records(folder.resolve())
        self._named = named
        self._told: str | None = None

    def __call__(self, text: str, sha256: str | None = None, /) -> Path | None:
        """Return where the store has the model of a reference; None where it is not whole.

        Nor is it here where `sha256` is known and the main file has another one.
        """
        reference = reference_or_none(text)
        model = None if reference is None else self._records.get(str(reference))
        if model is None:
            return None
        folder = self._records.folder
        has_one = model.main_file(folder) is not None
        if sha256 is not None and has_one and not model.has_hash(sha256, folder):
            return None
        return model.model if model.is_whole(folder) and model.model.exists() else None

    def meaning(self, text: str, /) -> Meaning | None:
        """Return the model that a text names as it does for `localai pull`; None for a path."""
        spelled = self._spelled_out(text)
        reference = reference_or_none(spelled)
        if isinstance(reference, NameReference):
            return self._named(reference.name)
        if isinstance(reference, FileReference):
            # A bare path belongs to its card; one of a list of short names does not.
            path = reference.path.expanduser().absolute()
            return None if spelled == text else Meaning(path.as_uri())
        return None if reference is None else Meaning(str(reference))

    def damaged(self, path: Path, /) -> str | None:
        """Return the reference of the model that has `path`, where a file of it is not whole.

        A folder that the model is in counts too.
        """
        folder = self._records.folder
        if folder not in place_of(path).parents:
            return None
        owner = owner_of(path, self._records.readable(), folder)
        return None if owner is None or owner.is_whole(folder) else owner.reference

    def _spelled_out(self, text: str) -> str:
        try:
            return spelled_out(text)
        except ConfigError as error:
            # Cards without short names go on; `localai pull` refuses. Said once, not every call.
            if self._told != error.message:
                self._told = error.message
                _LOG.warning("Short names are not known: %s", error.message)
            return text
