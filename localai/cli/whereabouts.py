"""Where models are that cards name by a reference, a short name or a gallery's name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from localai.settings import Settings, backend_folders

if TYPE_CHECKING:
    from localai.cards.resolved import Meaning
    from localai.gallery.named import GalleryNames
    from localai.store.whereabouts import Locator


def locator_of(settings: Settings) -> Locator:
    """Return what finds the models of cards; galleries are read only for a name in them."""
    from localai.store.whereabouts import locator

    @cache
    def galleries() -> GalleryNames:
        from localai.gallery.named import GalleryNames
        from localai.protocol.manifest import read_manifests

        return GalleryNames(settings, read_manifests(*backend_folders(settings)))

    def named(name: str) -> Meaning | None:
        return galleries()(name)

    return locator(settings.store, named)
