"""All galleries of a person: the one that ships with LocalAI, and those that were added.

Beside the models folder lie `galleries.yaml`, which names each added gallery and its source, and
`galleries/NAME.yaml`, a copy of each in our own form, so that searching needs no network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from localai.cards.problems import Problem
from localai.cards.resolved import Backends
from localai.errors import CardError, ConfigError, ModelNotFound, nearest
from localai.files import replace_text
from localai.gallery.code_running import REASON, runs_code
from localai.gallery.entry import Entry, Unusable
from localai.gallery.index import Index, index_of, keep_former, load_gallery
from localai.gallery.localai_format import (
    Fetch,
    is_localai_index,
    read_localai_index,
    web_address,
)
from localai.gallery.yaml_text import read_file, read_text
from localai.settings import Settings, builtin_cards_folder

BUILTIN = "localai"
"""What the gallery of this program is called; LocalAI's own has this name too."""
_ANEW = "correct that, or remove the file to start anew"
_FOR_US_ALONE = 0o600  # the address of a gallery may hold a login
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SAYS_NOTHING = frozenset({"index", "models", "gallery", "galleries", "main", "master", ""})


@dataclass(frozen=True)
class Offer:
    """A model, which can be installed or cannot, and which gallery has it."""

    gallery: str
    model: Entry | Unusable


@dataclass(frozen=True)
class Known:
    """A gallery that was added, and where it came from: an address or an absolute path."""

    name: str
    source: str


def builtin_gallery() -> Path:
    """Return the file of the gallery that ships with LocalAI."""
    return builtin_cards_folder().parents[1] / "index.yaml"


def galleries_of(settings: Settings, backends: Backends) -> Galleries:
    """Return the galleries of a person, whose list lies beside the models folder unless told."""
    return Galleries(settings.galleries or settings.models.parent, builtin_gallery(), backends)


@dataclass(frozen=True)
class Trouble:
    """What cannot be read of the galleries, and the command or step that mends it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}. To mend it: {self.mend}."


class Galleries:
    """The built-in gallery first, then those that were added, in order."""

    def __init__(self, folder: Path, builtin: Path, backends: Backends) -> None:
        self._list = folder / "galleries.yaml"
        self._copies = folder / "galleries"
        self._builtin, self._backends = builtin, backends
        self._loaded: dict[Path, tuple[tuple[int, int], Index]] = {}
        """What was read, until its file changes: large galleries take long."""

    def added(self) -> list[Known]:
        """Return the galleries that were added; raises CardError for a list that is wrong."""
        try:
            return self._listed()
        except CardError as error:
            raise CardError(f"{error.reason}: {_ANEW}", path=error.path, line=error.line) from error

    def _listed(self) -> list[Known]:
        if not self._list.exists():
            return []
        source = read_file(self._list)
        if source.problems:
            raise source.problems[0].error()
        known = source.data.get("galleries") if isinstance(source.data, dict) else None
        if not isinstance(known, list) or not all(_is_known(one) for one in known):
            text = "must hold `galleries:` with a list of name and source"
            raise CardError(text, path=str(self._list), line=1)
        return [Known(one["name"], one["source"]) for one in known]

    def known(self) -> list[Known]:
        """Return every gallery and where it comes from; raises CardError as `added` does."""
        return [Known(BUILTIN, str(self._builtin)), *self.added()]

    def all(self) -> list[Index]:
        """Return every gallery; one that cannot be read is empty and says so in `problems`.

        Where the list of those that were added is wrong, it stands for them as such a gallery.
        """
        indexes = [self._load(BUILTIN, self._builtin)]
        try:
            added = self._listed()
        except CardError as error:
            return [*indexes, _unreadable(self._list.name, error)]
        return indexes + [self._load(one.name, self._copy(one.name)) for one in added]

    def troubles(self) -> list[Trouble]:
        """Return what cannot be read of all galleries."""
        return [self._trouble(one) for one in self.all() if not one.is_read]

    def stamp(self) -> tuple[object, ...]:
        """Return what is another value once any file of the galleries has changed."""
        files = [self._builtin, self._list, *sorted(self._copies.glob("*.yaml"))]
        return tuple((path, _stamp(path)) for path in files)

    def find(self, text: str) -> Entry:
        """Return the entry that `name` or `gallery@name` names, the first gallery's first.

        Raises ModelNotFound, with the nearest names or with the reason why it cannot be run.
        """
        model = self.offer(text).model
        if isinstance(model, Unusable):
            text = f"'{model.name}' cannot be installed: {model.reason}"
            raise ModelNotFound(text, param="model")
        return model

    def offer(self, text: str) -> Offer:
        """Return what `name` or `gallery@name` names, also where it cannot be run, and its gallery.

        What can be run goes first, and then the first gallery. Raises ModelNotFound with the
        nearest names.
        """
        gallery, at, name = text.rpartition("@")
        indexes = self.all()
        if at:
            named = [index for index in indexes if index.name == gallery]
            if not named:
                raise ModelNotFound(self._no_gallery(gallery).message, param="model")
            # LocalAI's own gallery has the name of ours: its users' scripts mean any of theirs.
            indexes = indexes if gallery == BUILTIN else named
        try:
            return _find(indexes, name)
        except ModelNotFound as error:
            text = " ".join(
                [error.message, *(str(self._trouble(one)) for one in indexes if not one.is_read)]
            )
            raise ModelNotFound(text, param=error.param) from error

    def add(self, source: str, fetch: Fetch, name: str | None = None) -> Index:
        """Fetch and keep the gallery at `source`, an address or a path, and return it.

        Without a name it gets one after its address that no other has.
        """
        known = self.added()
        source = source if _is_web(source) else str(Path(source).expanduser().absolute())
        taken = {BUILTIN, *(one.name for one in known)}
        same = next((one for one in known if one.source == source), None)
        if same is not None and name in {None, same.name}:
            raise ConfigError(
                f"The gallery '{same.name}' comes from there already: `localai gallery update "
                f"{same.name}` fetches it again."
            )
        name = name or next(one for one in _names_of(source) if one not in taken)
        if not _NAME.fullmatch(name):
            raise ConfigError(f"'{name}' cannot be a gallery's name: use letters, digits and '-'")
        if name in taken:
            raise ConfigError(f"There is a gallery '{name}' already: choose another with --name.")
        one = Known(name, source)
        index = self._fetch(one, fetch)
        self._write([*known, one])
        return index

    def update(self, name: str, fetch: Fetch) -> Index:
        """Fetch the gallery `name` again and return it; a failure leaves the copy as it was."""
        for one in self.added():
            if one.name == name:
                return self._fetch(one, fetch)
        raise self._no_gallery(name)

    def remove(self, name: str) -> None:
        """Forget the gallery `name`; what was installed from it stays."""
        known = self.added()
        if name == BUILTIN:
            raise ConfigError(f"The gallery '{BUILTIN}' is part of LocalAI and cannot be removed.")
        if all(one.name != name for one in known):
            raise self._no_gallery(name)
        self._write([one for one in known if one.name != name])
        self._copy(name).unlink(missing_ok=True)

    def _fetch(self, one: Known, fetch: Fetch) -> Index:
        index = read_any(one.source, one.name, fetch, self._backends)
        if not index.entries and not index.unusable:
            first = index.problems[0].message if index.problems else "it is empty"
            raise CardError(f"holds no model: {first}", path=one.source)
        if any(model.unfetched for model in index.unusable.values()):
            index = keep_former(index, self._load(one.name, self._copy(one.name)))
        self._copies.mkdir(parents=True, exist_ok=True)
        _replace(self._copy(one.name), index.dump())
        return index

    def _load(self, name: str, path: Path) -> Index:
        stamp = _stamp(path)
        known = self._loaded.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            index = _runnable(load_gallery(path, name), self._backends)
        except CardError as error:
            index = _unreadable(name, error)
        if stamp is not None:
            self._loaded[path] = (stamp, index)
        return index

    def _copy(self, name: str) -> Path:
        return self._copies / f"{name}.yaml"

    def _write(self, known: Sequence[Known]) -> None:
        self._list.parent.mkdir(parents=True, exist_ok=True)
        content = [{"name": one.name, "source": one.source} for one in known]
        _replace(self._list, {"galleries": content})

    def _trouble(self, index: Index) -> Trouble:
        (problem,) = index.problems
        if problem.path == self._list:
            return Trouble(f"The list of galleries cannot be read: {problem}", _ANEW)
        what = f"The gallery '{index.name}' cannot be read: {problem}"
        if index.name == BUILTIN:
            return Trouble(what, "install LocalAI again: it is a part of it")
        return Trouble(what, f"localai gallery update {index.name}")

    def _no_gallery(self, name: str) -> ConfigError:
        names = [BUILTIN, *(one.name for one in self.added())]
        known = ", ".join(names)
        return ConfigError(f"There is no gallery '{name}', only: {known}.{nearest(name, names)}")


def _unreadable(name: str, error: CardError) -> Index:
    return Index(
        name, problems=(Problem(Path(error.path), error.line, error.reason),), is_read=False
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes with a file's content; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read_any(source: str, name: str, fetch: Fetch, backends: Backends) -> Index:
    """Return the gallery at an address or a path, in our form or in LocalAI's.

    Raises CardError for what is no gallery, StoreError for what cannot be fetched.
    """
    if _is_web(source):
        content = read_text(fetch(web_address(source)), Path(source))
    else:
        content = read_file(Path(source).expanduser())
    if is_localai_index(content.data):
        return read_localai_index(content, name, fetch, backends)
    return _runnable(index_of(content, name), backends)


def _find(indexes: Sequence[Index], name: str) -> Offer:
    for index in indexes:
        if name in index.entries:
            return Offer(index.name, index.entries[name])
    for index in indexes:
        if name in index.unusable:
            return Offer(index.name, index.unusable[name])
    names = [name for index in indexes for name in index.entries]
    raise ModelNotFound(
        f"No gallery has a model '{name}'.{nearest(name, names)} `localai search WORDS` looks for "
        "others.",
        param="model",
    )


def _runnable(index: Index, backends: Backends) -> Index:
    """Return `index` with the models that cannot be run here among the unusable ones."""
    reasons = {name: _hindrance(one, backends) for name, one in index.entries.items()}
    return index.without({name: reason for name, reason in reasons.items() if reason is not None})


def _hindrance(entry: Entry, backends: Backends) -> str | None:
    """Return why an entry cannot be run here, None where it can."""
    if entry.backend not in backends:
        known = ", ".join(sorted(name for name in backends if name != "echo"))
        return f"it runs on the backend '{entry.backend}'; here are only {known}"
    return REASON if runs_code(entry, backends) else None


def _is_known(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"name", "source"}
        and all(isinstance(part, str) for part in value.values())
        and _NAME.fullmatch(value["name"]) is not None
    )


def _is_web(source: str) -> bool:
    return source.startswith(("http://", "https://", "github:", "hf://", "huggingface://"))


def _names_of(source: str) -> Iterator[str]:
    """Yield what a gallery may be called: a part of its address, its host, then with a number."""
    name = _name_of(source)
    yield name
    if (host := urlsplit(source).hostname) and _NAME.fullmatch(host):
        yield host
    yield from (f"{name[:60]}-{number}" for number in count(2))


def _name_of(source: str) -> str:
    """Return the first part of the address or path that says something, from its end."""
    parts = urlsplit(source)
    path = unquote(parts.path or source).partition("@")[0]
    candidates = [part.partition(".")[0] for part in reversed(path.split("/"))]
    clean = (re.sub(r"[^A-Za-z0-9_-]+", "-", one).strip("-_") for one in candidates)
    said = next((one for one in clean if one.lower() not in _SAYS_NOTHING), "")
    return (said or _host_name(parts.netloc) or "gallery")[:64]


def _host_name(netloc: str) -> str:
    """Return `team` of team.example; of a number or a single word all of it, with its port."""
    address = netloc.rpartition("@")[2]
    host = urlsplit(f"//{address}").hostname or ""
    if "." in host and not _is_ip(host):
        return re.sub(r"[^A-Za-z0-9_-]+", "-", host.split(".")[-2])
    return re.sub(r"[^A-Za-z0-9._]+", "-", address).strip("-._")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _replace(path: Path, content: object) -> None:
    """Write YAML, whole or not at all."""
    text = yaml.dump(content, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100)
    replace_text(path, text, _FOR_US_ALONE)


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
