"""LocalAI's own gallery format: an index of entries, most on a base file from another place.

An entry names a base by `url`, which holds a model configuration as text in `config_file`; over it
come the entry's own `config_file`, its `overrides`, and what the caller asks for. Files of the
caller come before those of the entry, and those before the base's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from localai.amounts import read_size
from localai.cards.importers.notes import Note
from localai.cards.problems import Complaint, Location
from localai.cards.resolved import Backends
from localai.cards.yaml_source import YamlSource
from localai.errors import InvalidReference, LocalAIError
from localai.gallery.card_of import card_complaints
from localai.gallery.complaints import complaints_of, placed
from localai.gallery.entry import Entry, Unusable
from localai.gallery.index import Index
from localai.gallery.localai_config import NotRunnable, Translation, translate
from localai.gallery.yaml_text import read_text
from localai.protocol.capabilities import Capability
from localai.references import HubReference, UrlReference, parse_reference
from localai.store.errors import (
    AccessRefused,
    FetchFailed,
    NotInRegistry,
    Unreachable,
    UnreadableArtifact,
    WrongFile,
)
from localai.store.transports.hub import endpoint

Fetch = Callable[[str], str]
"""Returns the text at an https address; raises a LocalAIError that says why not."""
_TAG_CAPABILITIES = {
    "llm": Capability.CHAT, "chat": Capability.CHAT, "vision": Capability.VISION,
    "embedding": Capability.EMBEDDING, "embeddings": Capability.EMBEDDING,
    "tts": Capability.SPEECH, "text-to-speech": Capability.SPEECH,
    "stt": Capability.TRANSCRIPTION, "text-to-image": Capability.IMAGE,
}  # fmt: skip


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SourceFile(_Loose):
    """A file as LocalAI's galleries name it."""

    filename: str
    uri: str
    sha256: str | None = None


class _Variant(_Loose):
    model: str


class SourceEntry(_Loose):
    """An entry of LocalAI's index, or a base file, which has the same keys."""

    name: str = ""
    url: str = ""
    urls: tuple[str, ...] = ()
    description: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    backend: str = ""
    config_file: str | dict[str, Any] = ""
    overrides: dict[str, Any] = {}
    files: tuple[SourceFile, ...] = ()
    variants: tuple[_Variant, ...] = ()
    size: str | float | int | None = None


@dataclass(frozen=True)
class Merged:
    """What an entry comes to, with its base and all overrides."""

    config: Mapping[str, Any]
    files: tuple[SourceFile, ...]


class Bases:
    """The base files that entries name, each fetched once; none of a host that does not answer."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, SourceEntry | LocalAIError] = {}
        self._silent: dict[str, Unreachable] = {}

    def get(self, url: str) -> SourceEntry:
        """Return the base at `url`; raises a LocalAIError, the same again for the same address."""
        address = web_address(url)
        if address not in self._known:
            self._known[address] = self._read(address)
        found = self._known[address]
        if isinstance(found, LocalAIError):
            raise found
        return found

    def _read(self, address: str) -> SourceEntry | LocalAIError:
        host = urlsplit(address).netloc
        if host in self._silent:
            return self._silent[host]
        try:
            return _read_base(self._fetch(address), address)
        except Unreachable as error:
            self._silent[host] = error
            return error
        except LocalAIError as error:
            return error


TRY_AGAIN = "; run `localai gallery update`"
"""The end of the reason why nothing is known of an entry, for who has added the gallery."""


def is_localai_index(data: Any) -> bool:
    """Tell whether `data` is an index in LocalAI's format, which is a bare list."""
    return isinstance(data, list)


def read_localai_index(source: YamlSource, name: str, fetch: Fetch, backends: Backends) -> Index:
    """Return LocalAI's index as a gallery; what cannot be run is in `unusable`, with the reason."""
    bases = Bases(fetch)
    entries: dict[str, Entry] = {}
    unusable: dict[str, Unusable] = {}
    problems = list(source.problems)
    places: dict[str, Location] = {}
    for index, data in enumerate(source.data):
        raw, wrong = _read_entry(data)
        if raw is not None:
            wrong = _nameless_or_twice(raw, places, source)
        problems += [placed(complaint, (index,), source) for complaint in wrong]
        if raw is None or wrong:
            continue
        places[raw.name] = (index,)
        one, _ = convert(raw, bases, backends)
        if isinstance(one, Entry):
            entries[one.name] = one
        else:
            unusable[one.name] = one
    return Index(name, entries, unusable, "", tuple(problems), source, places)


def convert(
    raw: SourceEntry, bases: Bases, backends: Backends, overrides: Mapping[str, Any] | None = None
) -> tuple[Entry | Unusable, Sequence[Note]]:
    """Return the entry and what was lost of it, or why it cannot be run here.

    `overrides` are those of the caller.
    """
    try:
        merged = merge(raw, bases, overrides)
        files = {file.filename: file.uri for file in merged.files}
        meaning = translate({**merged.config, "name": raw.name}, files, backends)
        entry = Entry.model_validate_json(json.dumps(_entry(raw, merged, meaning)), strict=True)
        wrong = next(iter(card_complaints(entry, backends)), None)
    except NotRunnable as reason:
        return _unusable(raw, str(reason)), ()
    except (FetchFailed, WrongFile, NotInRegistry, AccessRefused) as error:
        # Nothing is known of the entry then: that it cannot be run would be a lie.
        return _unfetched(raw, error), ()
    except LocalAIError as error:
        return _unusable(raw, error.message), ()
    except ValidationError as error:
        return _unusable(raw, next(complaints_of(error)).message), ()
    return (entry, meaning.lost) if wrong is None else (_unusable(raw, wrong.message), ())


def merge(raw: SourceEntry, bases: Bases, overrides: Mapping[str, Any] | None = None) -> Merged:
    """Return the configuration and files: base, then entry, then what the caller asks for."""
    base = bases.get(raw.url) if raw.url else SourceEntry()
    asked = dict(overrides or {})
    own = _config_of(raw, raw.name)
    config: dict[str, Any] = {}
    for layer in (_config_of(base, raw.url), base.overrides, own, raw.overrides, asked):
        config = deep_merge(config, layer)
    if backend := raw.backend or base.backend:
        config.setdefault("backend", backend)
    files = {file.filename: file for file in (*base.files, *raw.files)}
    return Merged(config, tuple(files.values()))


def deep_merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the keys of `above`; mappings merge, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = deep_merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def web_address(url: str) -> str:
    """Return the address of `github:org/repo/path@branch`, `hf://` or `https://`.

    The hub is the one that HF_ENDPOINT names. Raises InvalidReference for every other place.
    """
    reference = parse_reference(url)
    if isinstance(reference, UrlReference):
        return reference.url
    if isinstance(reference, HubReference) and reference.file:
        return f"{endpoint()}/{reference.repo}/resolve/{reference.revision}/{reference.file}"
    raise InvalidReference(
        f"'{url}' is no address of a base file: write github:, hf:// or https://"
    )


def _read_base(text: str, address: str) -> SourceEntry:
    source = read_text(text, Path(address))
    if source.problems:
        raise UnreadableArtifact(f"its base {address}: {source.problems[0].message}")
    raw, wrong = _read_entry(source.data)
    if raw is None:
        raise UnreadableArtifact(f"its base {address} is no base file: {wrong[0].message}")
    return raw


def _read_entry(data: Any) -> tuple[SourceEntry | None, list[Complaint]]:
    cleaned = {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data
    try:
        return SourceEntry.model_validate_json(json.dumps(cleaned)), []
    except ValidationError as error:
        return None, list(complaints_of(error))


def _nameless_or_twice(
    raw: SourceEntry, places: Mapping[str, Location], source: YamlSource
) -> list[Complaint]:
    if not raw.name:
        return [Complaint((), "the key 'name' is missing")]
    if raw.name in places:
        first = source.line_of(places[raw.name])
        return [Complaint(("name",), f"the name '{raw.name}' is already taken in line {first}")]
    return []


def _config_of(raw: SourceEntry, where: str) -> Mapping[str, Any]:
    if isinstance(raw.config_file, dict):
        return raw.config_file
    if not raw.config_file.strip():
        return {}
    source = read_text(raw.config_file, Path(where))
    if source.problems:
        raise UnreadableArtifact(f"config_file of {where}: {source.problems[0].message}")
    return source.data if isinstance(source.data, dict) else {}


def _entry(raw: SourceEntry, merged: Merged, meaning: Translation) -> dict[str, Any]:
    card = meaning.card
    files, model = _files(merged.files, card)
    partial = {key: card[key] for key in ("options", "defaults", "limits") if key in card}
    if model != files[0]["path"]:
        partial["model"] = model
    return {
        "name": card["name"],
        "description": " ".join(raw.description.split()),
        "licence": raw.license or None,
        "capabilities": list(meaning.capabilities),
        "backend": card["backend"],
        "size": _bytes(raw.size),
        "files": files,
        "card": partial,
        "tags": list(raw.tags),
        "homepages": list(raw.urls),
        "variants": [variant.model for variant in raw.variants],
        "notes": list(meaning.notes),
    }


def _files(
    listed: Iterable[SourceFile], card: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """Return the files, the model first, and the path that is the model."""
    files = {file.filename: _file(file) for file in listed}
    for more in card.get("files", ()):
        files.setdefault(more["path"], more)
    model = str(card.get("model", ""))
    if "://" in model:
        # LocalAI fetches such a model when it is loaded; here it is one of the files.
        name = model.rstrip("/").rpartition("/")[2].partition("@")[0]
        files.setdefault(name, {"path": name, "uri": model})
        model = name
    if not files:
        raise NotRunnable(f"it names no files, and its model '{model}' is no reference to any")
    return sorted(files.values(), key=lambda file: file["path"] != model), model


def _file(file: SourceFile) -> dict[str, Any]:
    kept = {"path": file.filename, "uri": file.uri}
    return {**kept, "sha256": file.sha256} if file.sha256 else kept


def _bytes(size: str | float | None) -> int | None:
    if size is None or isinstance(size, int | float):
        return int(size) if size else None
    return read_size(size)


def _unfetched(raw: SourceEntry, error: LocalAIError) -> Unusable:
    text = error.message.rstrip(".")
    reason = f"could not be fetched: {text}{TRY_AGAIN}"
    return _unusable(raw, reason).model_copy(update={"unfetched": True})


def _unusable(raw: SourceEntry, reason: str) -> Unusable:
    capabilities = {c for tag in raw.tags if (c := _TAG_CAPABILITIES.get(tag.lower())) is not None}
    return Unusable(
        name=raw.name,
        reason=reason,
        description=" ".join(raw.description.split()),
        licence=raw.license or None,
        capabilities=tuple(one for one in Capability if one in capabilities),
        tags=raw.tags,
    )
