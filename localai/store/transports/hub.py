"""Hugging Face's hub: what a repository holds, asked through `huggingface_hub`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from localai.store.artifact import Artifact, Kind, RemoteFile
from localai.store.errors import (
    AccessRefused,
    FetchFailed,
    InvalidReference,
    NotInRegistry,
    StoreError,
)
from localai.store.gguf_files import is_projector
from localai.store.hub_cache import cached_commit, cached_files, is_offline
from localai.store.references import HubReference, check_relative_path
from localai.store.repository_files import choose_files

_DEFAULT_ENDPOINT = "https://huggingface.co"
_TIMEOUT = 30.0
_TEXTS: Mapping[str, Kind] = {".jinja": "template", "LICENSE": "license"}


@dataclass(frozen=True)
class Entry:
    """One file of a repository: LFS files have a sha256, the others git's own hash."""

    path: str
    size: int | None
    sha256: str | None
    git_oid: str | None


def resolve(reference: HubReference) -> Artifact:
    """Return the files of the repository that make the model."""
    if is_offline():
        return _resolve_offline(reference)
    commit, entries = _listing(reference)
    paths, model = choose_files(list(entries), reference.file, reference.quant, reference.repo)
    headers = _headers()
    files = tuple(_remote(reference, commit, entries[path], model, headers) for path in paths)
    return Artifact(reference, folder_of(reference), files, model, revision=commit)


def folder_of(reference: HubReference) -> str:
    """Return where the repository lives in the store; another revision is another folder."""
    usual = reference.revision == "main"
    return f"hf/{reference.repo}" + ("" if usual else f"@{reference.revision.replace('/', '-')}")


def endpoint() -> str:
    """Return the hub's address; HF_ENDPOINT names a mirror."""
    given = os.environ.get("HF_ENDPOINT") or os.environ.get("HF_MIRROR") or _DEFAULT_ENDPOINT
    return given.rstrip("/")


def _listing(reference: HubReference) -> tuple[str, dict[str, Entry]]:
    info = _ask(reference)
    entries = [_entry(sibling) for sibling in info.siblings or ()]
    if info.sha is None or not entries:
        raise NotInRegistry(f"{reference.repo} is empty on {endpoint()}.")
    return str(info.sha), {entry.path: entry for entry in entries}


def _ask(reference: HubReference) -> Any:
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    revision = None if reference.revision == "main" else reference.revision
    try:
        return HfApi(endpoint=endpoint()).model_info(
            reference.repo, revision=revision, files_metadata=True, timeout=_TIMEOUT
        )
    except hub.GatedRepoError as error:
        raise AccessRefused(
            f"{reference.repo} is gated: accept its terms at {endpoint()}/{reference.repo}, then "
            "set HF_TOKEN to a token of yours."
        ) from error
    except hub.RevisionNotFoundError as error:
        raise NotInRegistry(
            f"{reference.repo} has no revision '{reference.revision}' on {endpoint()}."
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise _no_repository(reference) from error
    except hub.HFValidationError as error:
        raise InvalidReference(f"'{reference.repo}' is no repository name: {error}") from error
    except (httpx2.HTTPError, OSError) as error:
        # Mirrors answer without the hub's own codes.
        answered = getattr(getattr(error, "response", None), "status_code", None)
        if answered in {401, 403, 404}:
            raise _no_repository(reference) from error
        raise _unreachable(reference, error) from error


def _no_repository(reference: HubReference) -> NotInRegistry:
    return NotInRegistry(
        f"{endpoint()} has no repository '{reference.repo}', or shows it only with a token: "
        "check the name, and set HF_TOKEN if it is private."
    )


def _unreachable(reference: HubReference, error: Exception) -> StoreError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return FetchFailed(
        f"{endpoint()} cannot be asked for {reference.repo}: {reason}. Check the network, name a "
        "mirror with HF_ENDPOINT, or use what is here with HF_HUB_OFFLINE=1."
    )


def _entry(sibling: Any) -> Entry:
    lfs = sibling.lfs
    path = check_relative_path(sibling.rfilename)
    if lfs is None:
        return Entry(path, sibling.size, None, sibling.blob_id)
    return Entry(path, lfs["size"], lfs["sha256"], None)


def _headers() -> dict[str, str]:
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    sent = build_hf_headers(library_name="localai")
    return {name: value for name, value in sent.items() if name.lower() == "authorization"}


def _remote(
    reference: HubReference, commit: str, entry: Entry, model: str, headers: Mapping[str, str]
) -> RemoteFile:
    where = f"{reference.repo}/resolve/{commit}/{quote(entry.path)}"
    return RemoteFile(
        path=entry.path,
        url=f"{endpoint()}/{where}",
        size=entry.size,
        sha256=entry.sha256,
        headers=headers,
        kind=kind_of(entry.path, model),
        git_oid=entry.git_oid,
    )


def kind_of(path: str, model: str) -> Kind:
    """Return what the file is for, by its name."""
    if is_projector(path):
        return "projector"
    for end, kind in _TEXTS.items():
        if path.endswith(end):
            return kind
    weights = (".gguf", ".safetensors", ".onnx", ".bin")
    return "model" if path == model or path.endswith(weights) else "other"


def _resolve_offline(reference: HubReference) -> Artifact:
    commit = cached_commit(reference)
    there = cached_files(reference.repo, commit) if commit else {}
    if commit is None or not there:
        raise FetchFailed(
            f"{reference.repo} is not on this machine, and HF_HUB_OFFLINE forbids to ask the hub."
        )
    paths, model = choose_files(list(there), reference.file, reference.quant, reference.repo)
    files = tuple(
        RemoteFile(
            path,
            there[path].resolve().as_uri(),
            there[path].stat().st_size,
            kind=kind_of(path, model),
            **_hash_of_blob(there[path].resolve().name),
        )
        for path in paths
    )
    return Artifact(reference, folder_of(reference), files, model, revision=commit)


def _hash_of_blob(name: str) -> dict[str, Any]:
    """Return the hash that the cache's name for the content is: sha256 for LFS, else git's."""
    hexadecimal = all(char in "0123456789abcdef" for char in name)
    if hexadecimal and len(name) == 64:
        return {"sha256": name}
    return {"git_oid": name} if hexadecimal and len(name) == 40 else {}
