"""From a reference to the files behind it, through the transport that it needs."""

from __future__ import annotations

import threading
from dataclasses import replace

from localai.errors import InvalidReference
from localai.network.leaving import Left, answer_unless_left
from localai.network.reach import ANYWHERE, Reach
from localai.references import (
    HubReference,
    NameReference,
    OciReference,
    OllamaReference,
    Reference,
    UrlReference,
)
from localai.store.artifact import Artifact
from localai.store.errors import Cancelled, NotInRegistry, Offline, wrong_hash
from localai.store.hub_cache import is_offline


def resolve(
    reference: Reference,
    reach: Reach = ANYWHERE,
    projector: bool = True,
    cancel: threading.Event | None = None,
) -> Artifact:
    """Return what is to be fetched for `reference`, within `reach`; the other side is asked.

    A GGUF file of the hub comes with its `projector`, if its repository has one. Raises Cancelled
    as soon as `cancel` is set, however silent the other side is, and Offline where nobody may be
    asked, unless Ollama or the hub's cache has it.
    """
    try:
        found = answer_unless_left(lambda: _resolve(reference, reach, projector, cancel), cancel)
    except Left:
        raise Cancelled(f"Asking for {reference} was cancelled.") from None
    return within(found, reach)


def within(artifact: Artifact, reach: Reach) -> Artifact:
    """Return the artifact with files that are fetched within `reach`, or from the hub itself."""
    if isinstance(artifact.reference, HubReference):
        from localai.store.transports import hub

        # Where the hub is, the operator says; where it leads to, he does not.
        reach = reach.with_own(hub.endpoint())
    files = tuple(replace(file, reach=reach) for file in artifact.files)
    return replace(artifact, files=files)


def expecting(artifact: Artifact, sha256: str | None) -> Artifact:
    """Return the artifact with the hash that the caller says its main file must have.

    Raises WrongFile at once where the source itself names another one.
    """
    if sha256 is None:
        return artifact
    wanted, main = sha256.lower(), artifact.model or artifact.files[0].path
    if all(file.path != main for file in artifact.files):
        raise InvalidReference(
            f"{artifact.reference} is a folder of files, and a sha256 is of one file: leave it out."
        )
    files = []
    for file in artifact.files:
        if file.path == main and file.sha256 not in {None, wanted}:
            raise wrong_hash(file.source, str(file.sha256), wanted)
        files.append(replace(file, sha256=wanted) if file.path == main else file)
    return replace(artifact, files=tuple(files))


def _resolve(
    reference: Reference, reach: Reach, projector: bool, cancel: threading.Event | None
) -> Artifact:
    # What Ollama and the hub have on this machine, their own transports look up.
    if isinstance(reference, OciReference | UrlReference) and is_offline():
        raise Offline(f"{reference} is not here, and HF_HUB_OFFLINE forbids to ask for it.")
    match reference:
        case HubReference():
            from localai.store.transports import hub

            return hub.resolve(reference, projector, cancel)
        case OllamaReference():
            from localai.store.transports import ollama

            return ollama.resolve(reference, reach, cancel)
        case OciReference():
            from localai.store.transports import oci

            return oci.resolve(reference, reach, cancel)
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
