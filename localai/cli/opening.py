"""What commands open by their settings: the store, the galleries and the backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.settings import Settings, backend_folders

if TYPE_CHECKING:
    from localai.cards.resolved import Backends
    from localai.gallery.galleries import Galleries
    from localai.store.store import Store


def open_store(settings: Settings) -> Store:
    """Return the store of these settings."""
    from localai.store.store import Store

    return Store(settings.store)


def open_galleries(settings: Settings) -> Galleries:
    """Return the galleries of the person whose settings these are."""
    from localai.gallery.galleries import galleries_of

    return galleries_of(settings, backends_of(settings))


def backends_of(settings: Settings) -> Backends:
    """Return the backends that are here, by their names."""
    from localai.protocol.manifest import read_manifests

    return read_manifests(*backend_folders(settings))
