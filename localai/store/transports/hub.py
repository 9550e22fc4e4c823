"""Hugging Face's hub: what a repository holds, asked through `huggingface_hub`."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from localai.errors import ConfigError, InvalidReference, LocalAIError
from localai.network.asking import ask_patiently, asked_to_wait
from localai.network.failures import CHECK_THE_NETWORK, reason_of
from localai.network.tls import is_distrust
from localai.references import DOCKER_HOST, HubReference, check_relative_path
from localai.store.artifact import Artifact, RemoteFile, kind_of
from localai.store.errors import (
    AccessRefused,
    Distrusted,
    FetchFailed,
    NotInRegistry,
    Offline,
    StoreError,
    Unreachable,
    gated,
    not_as_asked,
)
from localai.store.flights import shared_downloader
from localai.store.hub_cache import (
    cached_commit,
    cached_file,
    cached_files,
    is_offline,
    missing_parts,
)
from localai.store.pipeline_files import INDEX, LARGEST_INDEX, parts_named
from localai.store.repository_files import choose_files

if TYPE_CHECKING:
    import httpx2

_DEFAULT_ENDPOINT = "https://huggingface.co"
_TIMEOUT = 30.0
_believing = threading.Lock()
_DOCKER = "ai/"
"""The namespace of Docker's own models, which its Model Runner takes without their host."""


@dataclass(frozen=True)
class Entry:
    """One file of a repository: LFS files have a sha256, the others git's own hash."""

    path: str
    size: int | None
    sha256: str | None
    git_oid: str | None


def resolve(
    reference: HubReference, projector: bool = True, cancel: threading.Event | None = None
) -> Artifact:
    """Return the files of the repository that make the model, with its `projector` if it has one.

    Of a pipeline its index is read first. Once `cancel` is set nothing further is asked.
    """
    if is_offline():
        return _resolve_offline(reference, projector)
    commit, entries = _listing(reference, cancel)
    headers = _headers()
    paths, model = choose_files(
        list(entries),
        reference.file,
        reference.quant,
        reference.repo,
        projector=projector,
        parts=_parts(reference, commit, entries, headers, cancel),
    )
    files = tuple(_remote(reference, commit, entries[path], model, headers) for path in paths)
    return Artifact(reference, folder_of(reference), files, model, revision=commit)


def folder_of(reference: HubReference) -> str:
    """Return where the repository lives in the store; another revision is another folder."""
    usual = reference.revision == "main"
    return f"hf/{reference.repo}" + ("" if usual else f"@{reference.revision.replace('/', '-')}")


def endpoint() -> str:
    """Return the hub's address; HF_ENDPOINT names a mirror.

    Raises ConfigError for one that is no address of the web.
    """
    for name in ("HF_ENDPOINT", "HF_MIRROR"):
        if given := os.environ.get(name):
            return _checked(name, given)
    return _DEFAULT_ENDPOINT


def _checked(name: str, given: str) -> str:
    try:
        parts = urlsplit(given)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(
            f"{name} is '{given}', which is no address: write the hub's with its scheme, as "
            f"{_DEFAULT_ENDPOINT}, or unset it.",
            param=name,
        )
    return given.rstrip("/")


def _listing(
    reference: HubReference, cancel: threading.Event | None
) -> tuple[str, dict[str, Entry]]:
    try:
        info = _ask(reference, cancel)
        entries = [_entry(sibling) for sibling in info.siblings or ()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_as_asked(endpoint(), f"its files of {reference.repo}", "HF_ENDPOINT") from error
    if info.sha is None or not entries:
        raise NotInRegistry(f"{reference.repo} is empty on {endpoint()}.")
    return str(info.sha), {entry.path: entry for entry in entries}


def _parts(
    reference: HubReference,
    commit: str,
    entries: Mapping[str, Entry],
    headers: Mapping[str, str],
    cancel: threading.Event | None,
) -> list[str] | None:
    """Return the folders that a pipeline's index names, None where there is no pipeline."""
    entry = entries.get(INDEX)
    if entry is None or reference.file is not None or (entry.size or 0) > LARGEST_INDEX:
        return None
    found = cached_file(reference.repo, commit, INDEX, entry.git_oid or entry.sha256)
    if found is not None:
        return parts_named(found.read_bytes(), reference.repo)
    with TemporaryDirectory(prefix="localai-") as folder:
        target = Path(folder, INDEX)
        index = _remote(reference, commit, entry, "", headers)
        shared_downloader().fetch(index, target, cancel=cancel)
        return parts_named(target.read_bytes(), reference.repo)


def _ask(reference: HubReference, cancel: threading.Event | None) -> Any:
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    revision = None if reference.revision == "main" else reference.revision
    _believe()
    api = HfApi(endpoint=endpoint())
    try:
        return ask_patiently(
            lambda: api.model_info(
                reference.repo, revision=revision, files_metadata=True, timeout=_TIMEOUT
            ),
            cancel=cancel,
        )
    except hub.GatedRepoError as error:
        raise AccessRefused(gated(f"{endpoint()}/{reference.repo}")) from error
    except hub.DisabledRepoError as error:
        raise AccessRefused(f"{reference.repo} was disabled by {endpoint()}.") from error
    except hub.RevisionNotFoundError as error:
        raise NotInRegistry(
            f"{reference.repo} has no revision '{reference.revision}' on {endpoint()}."
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise _no_repository(reference) from error
    except hub.HFValidationError as error:
        raise InvalidReference(f"'{reference.repo}' is no repository name: {error}") from error
    except (httpx2.HTTPError, OSError) as error:
        response = getattr(error, "response", None)
        if isinstance(response, httpx2.Response):
            raise _answered(reference, response) from error
        raise _unreachable(reference, error) from error


def _believe() -> None:
    """Let the hub's client trust what all others trust; by itself it knows fewer variables."""
    with _believing:  # a second time would close the client that the first one asks with
        _set_client()


@cache
def _set_client() -> None:
    import httpx2
    from huggingface_hub import set_client_factory

    from localai.network.clients import Momentary

    set_client_factory(
        lambda: httpx2.Client(transport=Momentary(), follow_redirects=True, timeout=None)
    )


def _answered(reference: HubReference, response: httpx2.Response) -> LocalAIError:
    """Return what an answer means that is not the listing; mirrors have no codes of their own."""
    status, repo = response.status_code, reference.repo
    if status == 404 or (status == 401 and "authorization" not in response.request.headers):
        return _no_repository(reference)
    if status == 401:
        return AccessRefused(
            f"{endpoint()} does not know the token in HF_TOKEN, or it has run out: make another at "
            f"{endpoint()}/settings/tokens, or unset it for what everybody may have."
        )
    if status == 403:
        return AccessRefused(
            f"{endpoint()} does not let you read {repo}: set HF_TOKEN to a token that may, see "
            f"{endpoint()}/settings/tokens, and accept the model's terms at {endpoint()}/{repo}."
        )
    return _busy(reference, status, asked_to_wait(response))


def _busy(reference: HubReference, status: int, wait: float | None) -> FetchFailed:
    when = "in a while" if wait is None else f"in {wait:.0f} s"
    if status == 429:
        message = (
            f"{endpoint()} was asked too often from here (429): try again {when}; with HF_TOKEN "
            "set it answers more often."
        )
    else:
        message = (
            f"{endpoint()} answered {status} for {reference.repo}: the fault is there, try again "
            f"{when}, or name a mirror with HF_ENDPOINT."
        )
    return FetchFailed(message, retry_after=wait)


def _no_repository(reference: HubReference) -> NotInRegistry:
    message = (
        f"{endpoint()} has no repository '{reference.repo}', or shows it only to some: check the "
        "name; if it is private or gated, set HF_TOKEN to a token that may read it."
    )
    if reference.repo.startswith(_DOCKER):
        # The tag was read as a quantisation, whose case is another one perhaps.
        tag = ":TAG" if reference.quant else ""
        docker = f"oci://{DOCKER_HOST}/{reference.repo}{tag}"
        message += f" Docker's model of that name is `localai pull {docker}`."
    return NotInRegistry(message)


def _unreachable(reference: HubReference, error: Exception) -> StoreError:
    import httpx2

    reason = reason_of(error).splitlines()[0]
    said = f"{endpoint()} cannot be asked for {reference.repo}: {reason}."
    if is_distrust(error):
        return Distrusted(said)
    advice = f"{CHECK_THE_NETWORK} HF_ENDPOINT names a mirror."
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return Unreachable(said, host=urlsplit(endpoint()).netloc, advice=advice)
    return FetchFailed(said, advice=advice)


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


def _resolve_offline(reference: HubReference, projector: bool) -> Artifact:
    commit = cached_commit(reference)
    there = cached_files(reference.repo, commit) if commit else {}
    if commit is None or not there:
        raise Offline(
            f"{reference.repo} is not on this machine, and HF_HUB_OFFLINE forbids to ask the hub."
        )
    index = there.get(INDEX) if reference.file is None else None
    try:
        paths, model = choose_files(
            list(there),
            reference.file,
            reference.quant,
            reference.repo,
            projector=projector,
            parts=None if index is None else parts_named(index.read_bytes(), reference.repo),
        )
    except NotInRegistry as error:  # of what is in the cache, that is
        raise Offline(
            f"{error.message} That is what is on this machine, and HF_HUB_OFFLINE forbids to ask "
            "the hub."
        ) from error
    if missing := missing_parts(paths, there):
        raise Offline(
            f"Only a part of {reference.repo} is on this machine, {missing[0]} is not, and "
            "HF_HUB_OFFLINE forbids to ask the hub: pull it once with a network."
        )
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
