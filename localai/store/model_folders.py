"""Where the store keeps the models of a reference, by the reference alone: nobody is asked."""

from __future__ import annotations

from pathlib import Path

from localai.references import (
    HubReference,
    OciReference,
    OllamaReference,
    Reference,
    UrlReference,
)
from localai.store.transports import hub, oci, ollama, url


def folder_of(reference: Reference | None) -> str | None:
    """Return the folder, from the store's own; None for what is on this machine already."""
    match reference:
        case HubReference():
            return hub.folder_of(reference)
        case OllamaReference():
            return ollama.folder_of(reference)
        case OciReference():
            return oci.folder_of(reference)
        case UrlReference():
            return url.folder_of(reference.url)
    return None


def may_lead_to(reference: Reference | None, path: Path, store: Path) -> bool:
    """Tell whether `path` is where `store` would have the model of a reference.

    Which file of a repository or an archive that is shows when it is asked.
    """
    folder = folder_of(reference)
    if folder is None:
        return False
    file = reference.file if isinstance(reference, HubReference) else None
    if isinstance(reference, UrlReference):
        file = url.resolve(reference).model
    place = store / folder
    return path == place / file if file else place in (path, *path.parents)
