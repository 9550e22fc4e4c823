"""Says which folder a command could not write to, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localai.settings import Settings


@contextmanager
def naming_the_folder(settings: Settings) -> Iterator[None]:
    """Say of a failure below the store or the models folder, and of a full disk, what mends it."""
    try:
        yield
    except OSError as error:
        from localai.gallery.unusable_folders import cannot_write
        from localai.store.room import is_full

        if not (is_full(error) or _is_ours(error.filename, settings)):
            raise  # of a file that the user named
        raise cannot_write(settings.store, settings.models, error) from error


def _is_ours(name: object, settings: Settings) -> bool:
    if not isinstance(name, str):
        return False
    place = Path(name).resolve()
    return any(place.is_relative_to(one.resolve()) for one in (settings.store, settings.models))
