"""One file, or one archive, at an address of the web."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from localai.cards.shards import shards_of
from localai.concealing import shown_url
from localai.errors import InvalidReference
from localai.file_kinds import is_archive, is_gguf
from localai.references import UrlReference
from localai.store.artifact import Artifact, RemoteFile
from localai.store.gguf_files import is_projector

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def resolve(reference: UrlReference) -> Artifact:
    """Return the file at the address, all parts of a split one; nothing is asked yet."""
    url, headers = without_login(reference.url)
    name = file_name(url)
    names = shards_of(name) if is_gguf(name) else [name]
    model = "" if is_archive(name) else names[0]
    files = tuple(
        RemoteFile(
            path=one,
            url=url if one == name else url.replace(_quoted_name(url), quote(one)),
            headers=headers,
            kind="projector" if is_projector(one) else "model",
            archive=is_archive(one),
        )
        for one in names
    )
    return Artifact(reference, folder_of(url), files, model)


def file_name(url: str) -> str:
    """Return the last part of the URL's path.

    Raises InvalidReference when there is none that can be a file's name.
    """
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    if not name or name.startswith(".") or "/" in name or "." not in name:
        raise InvalidReference(
            f"{shown_url(url)} does not name a model file: its last part is '{name}'."
        )
    return name


def folder_of(url: str) -> str:
    """Return where the file lives in the store: below its host, as on the server."""
    parts = urlsplit(shown_url(url))  # a fresh token leads to the same file
    host = _NOT_IN_NAMES.sub("-", parts.netloc)
    folders = [_clean(part) for part in unquote(parts.path).split("/")[:-1]]
    query = parts.query
    # The query may choose another file; `?download=true` does not.
    if query and not re.fullmatch(r"download(=\w*)?", query):
        folders.append(hashlib.sha256(query.encode()).hexdigest()[:8])
    return "/".join(["url", host, *(part for part in folders if part)])


def without_login(url: str) -> tuple[str, dict[str, str]]:
    """Return the address without `user:password@`, and the header that says the same."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    encoded = base64.b64encode(unquote(login).encode()).decode("ascii")
    return urlunsplit(parts._replace(netloc=host)), {"authorization": f"Basic {encoded}"}


def _clean(part: str) -> str:
    cleaned = _NOT_IN_NAMES.sub("-", part)[:100]
    return "" if cleaned.strip(".") == "" else cleaned


def _quoted_name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name
