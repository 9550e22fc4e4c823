"""Where models are that cards name by a reference, a short name or a gallery's name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from localai.cli.opening import backends_of
from localai.settings import Settings

if TYPE_CHECKING:
    from localai.cards.resolved import Meaning
    from localai.gallery.named import GalleryNames
    from localai.store.whereabouts import Locator


def locator_of(settings: Settings) -> Locator:
    """Return what finds the models of cards; galleries are read only for a name in them."""
    from localai.store.whereabouts import Locator

    @cache
    def names() -> GalleryNames:
        from localai.gallery.galleries import galleries_of
        from localai.gallery.named import GalleryNames

        return GalleryNames(galleries_of(settings, backends_of(settings)))

    def named(name: str) -> Meaning | None:
        return names()(name)

    return Locator(settings.store, named)
