"""From a reference to the files behind it, through the transport that it needs."""

from __future__ import annotations

from localai.store.artifact import Artifact
from localai.store.errors import InvalidReference, NotInRegistry
from localai.store.references import (
    HubReference,
    NameReference,
    OciReference,
    OllamaReference,
    Reference,
    UrlReference,
)


def resolve(reference: Reference) -> Artifact:
    """Return what is to be fetched for `reference`; the other side is asked."""
    match reference:
        case HubReference():
            from localai.store.transports import hub

            return hub.resolve(reference)
        case OllamaReference():
            from localai.store.transports import ollama

            return ollama.resolve(reference)
        case OciReference():
            from localai.store.transports import oci

            return oci.resolve(reference)
        case UrlReference():
            from localai.store.transports import url

            return url.resolve(reference)
        case NameReference():
            raise NotInRegistry(
                f"'{reference}' is no short name. Write where the model is: hf://org/repo, "
                f"ollama://{reference}, oci://host/repo, https://… or a path.",
                param="model",
            )
    raise InvalidReference(f"{reference} is on this machine: it is used where it lies.")
