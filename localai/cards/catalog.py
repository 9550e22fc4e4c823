"""All the cards of some folders, kept true to the files, and what each model name means."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localai.cards.index import CardIndex, build_index
from localai.cards.model_files import has_its_files
from localai.cards.problems import Problem
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, Locate, ResolvedCard, Source, nowhere
from localai.cards.yaml_source import read_yaml
from localai.errors import ModelNotFound, RequestError
from localai.protocol.capabilities import Capability

_log = logging.getLogger(__name__)
_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class BrokenCard:
    """A file, or a name in it, that could not be taken as it stands."""

    path: Path
    line: int | None
    message: str
    card_name: str | None = None
    """The card that still answers for this file, if one does."""


@dataclass(frozen=True)
class Changes:
    """What a refresh found: names of cards, and the errors that are new."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    broken: tuple[BrokenCard, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.broken)


@dataclass(frozen=True)
class _Seen:
    """A file as the file system shows it, and which of the folders it is in."""

    folder: int
    modified: int
    size: int
    inode: int


@dataclass(frozen=True)
class _File:
    seen: _Seen
    resolved: ResolvedCard | None
    problems: tuple[Problem, ...]
    names: tuple[str, ...] = ()
    """What models are called that have no card because of the problems."""


class Catalog:
    """The cards of `folders`: the first holds those that ship with LocalAI, later ones win."""

    def __init__(
        self,
        folders: Sequence[Path],
        manifests: Backends,
        default_models: Mapping[Capability, str] | Mapping[str, str] | None = None,
        locate: Locate = nowhere,
    ) -> None:
        """Read nothing yet; `locate` tells where models with a reference lie."""
        self._locate = locate
        self._folders = tuple(folders)
        self._backends = manifests
        self._default_models = {
            Capability(key): name for key, name in (default_models or {}).items()
        }
        self._files: dict[Path, _File] = {}
        self._errors: tuple[BrokenCard, ...] = ()
        self._index = build_index((), self._default_models)
        self._refreshing = threading.Lock()

    def refresh(self) -> Changes:
        """Look at the files again; costs one stat a file when nothing changed.

        Polling, because the mounts of containers and network folders often deliver no events. May
        be called from any thread.
        """
        with self._refreshing:
            seen = dict(self._scan())
            if {path: file.seen for path, file in self._files.items()} == seen:
                return Changes()
            self._files = {path: self._read(path, one) for path, one in seen.items()}
            index = build_index(self._by_folder(), self._default_models, self._broken_names())
            return self._take(index)

    def cards(self) -> list[ResolvedCard]:
        """Return every card, by name."""
        return list(self._index.cards.values())

    def errors(self) -> list[BrokenCard]:
        """Return what is wrong at the moment."""
        return list(self._errors)

    def resolve(self, name: str | None, capability: Capability) -> ResolvedCard:
        """Return the card that answers calls for `name`.

        Raises ModelNotFound for an unknown name, InvalidRequest where the model cannot do it.
        """
        try:
            return self._index.resolve(name, capability)
        except ModelNotFound:
            # A card that was written a moment ago counts, `localai pull` followed by a call,
            # whether this look takes it up or that of another thread did just now.
            self.refresh()
        return self._index.resolve(name, capability)

    def line_of_answerers(self, card: ResolvedCard, capability: Capability) -> list[ResolvedCard]:
        """Return `card` and those that answer in its place, as far as they can, in turn.

        A fallback that names nothing, or cannot do it, ends the line: the catalog's errors tell it.
        """
        line = [card]
        while (name := line[-1].card.fallback) is not None:
            try:
                found = self._index.resolve(name, capability)
            except RequestError:
                break
            if found in line:
                break
            line.append(found)
        return line

    def stand_in(self, card: ResolvedCard, capability: Capability) -> ResolvedCard:
        """Return who answers for `card`: the first in its line whose files are all here.

        It is `card` itself where nobody's are.
        """
        line = self.line_of_answerers(card, capability)
        return next((one for one in line if has_its_files(one)), card)

    def find(self, name: str) -> ResolvedCard:
        """Return the card called `name`, whatever it can do; raises ModelNotFound."""
        try:
            return self._index.find(name)
        except ModelNotFound:
            # As above: a card that was installed a moment ago is there.
            self.refresh()
        return self._index.find(name)

    def named(self, name: str) -> ResolvedCard:
        """Return the card of exactly this name.

        Raises ModelNotFound that names the card which an alias or a habit leads to.
        """
        card = self.find(name)
        if card.name != name:
            raise ModelNotFound(
                f"No card is called '{name}': it leads to '{card.name}', which has to be named "
                "itself.",
                param="name",
            )
        return card

    def default(self, capability: Capability) -> ResolvedCard | None:
        """Return the card that answers calls which name no model."""
        return self._index.defaults.get(capability)

    def _scan(self) -> Iterator[tuple[Path, _Seen]]:
        for index, folder in enumerate(self._folders):
            for path in card_files(folder):
                try:
                    stat = path.stat()
                except OSError:
                    continue  # removed between listing and looking
                yield path, _Seen(index, stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _read(self, path: Path, seen: _Seen) -> _File:
        before = self._files.get(path)
        if before is not None and before.seen == seen:
            return before
        source: Source = "builtin" if seen.folder == 0 else "user"
        checked = check_card(path, self._backends, source)
        kept = before.resolved if before and checked.problems else None
        found = replace(checked.resolved, locate=self._locate) if checked.resolved else kept
        return _File(seen, found, checked.problems, checked.names)

    def _by_folder(self) -> list[list[ResolvedCard]]:
        return [
            [
                file.resolved
                for file in self._files.values()
                if file.resolved is not None and file.seen.folder == index
            ]
            for index in range(len(self._folders))
        ]

    def _broken_names(self) -> dict[str, Problem]:
        """Return the first problem of each card that is broken, by the name that it has or had."""
        broken: dict[str, Problem] = {}
        for file in self._files.values():
            for name in file.names:
                broken.setdefault(name, file.problems[0])
        return broken

    def _take(self, index: CardIndex) -> Changes:
        before, after = self._index.cards, index.cards
        errors = (
            *self._file_errors(),
            *(_broken(clash) for clash in index.clashes),
            *_lost_fallbacks(index),
        )
        changes = Changes(
            added=tuple(name for name in after if name not in before),
            changed=tuple(
                name
                for name in after
                if name in before and after[name].digest != before[name].digest
            ),
            removed=tuple(name for name in before if name not in after),
            broken=tuple(error for error in errors if error not in self._errors),
        )
        self._index, self._errors = index, errors
        _log_changes(changes)
        return changes

    def _file_errors(self) -> Iterator[BrokenCard]:
        for file in self._files.values():
            kept = file.resolved.name if file.resolved else None
            for problem in file.problems:
                yield _broken(problem, kept)


def card_files(folder: Path) -> list[Path]:
    """Return the card files of a folder and of the folders in it, in order, hidden ones not."""
    return [
        path
        for path in sorted((*folder.glob("*"), *folder.glob("*/*")))
        if path.suffix in _SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]


def _broken(problem: Problem, card_name: str | None = None) -> BrokenCard:
    return BrokenCard(problem.path, problem.line, problem.text, card_name)


def _lost_fallbacks(index: CardIndex) -> Iterator[BrokenCard]:
    for card in index.cards.values():
        if (name := card.card.fallback) is None:
            continue
        try:
            index.find(name)
        except ModelNotFound as error:
            line = read_yaml(card.path).line_of(("fallback",))
            text = f"fallback: nobody answers in its place. {error.message}"
            yield BrokenCard(card.path, line, text, card.name)


def _log_changes(changes: Changes) -> None:
    for what in ("added", "changed", "removed"):
        for name in getattr(changes, what):
            _log.info("card %s: %s", what, name)
    for error in changes.broken:
        kept = f" (the card '{error.card_name}' stays)" if error.card_name else ""
        _log.error("%s%s", Problem(error.path, error.line, error.message), kept)
