"""Checks a gallery: every entry parses, names a backend, has files, and its card is a good one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localai.cards.problems import Complaint, Problem
from localai.cards.resolved import Backends
from localai.errors import nearest
from localai.gallery.card_of import card_complaints
from localai.gallery.code_running import REASON, code_options
from localai.gallery.entry import Entry
from localai.gallery.index import Index
from localai.references import HubReference, OciReference, OllamaReference, parse_reference


@dataclass(frozen=True)
class Linted:
    """What a check found: what is wrong, and whose hashes only a hub knows, whose size nobody."""

    entries: int
    problems: tuple[Problem, ...]
    hub_hashed: tuple[str, ...]
    sizeless: tuple[str, ...] = ()


def lint(index: Index, backends: Backends) -> Linted:
    """Return everything that is wrong in `index`."""
    problems = list(index.problems)
    for entry in index.entries.values():
        complaints = [*_of_card(entry, backends), *_complaints(entry)]
        problems += [index.problem_of(entry.name, complaint) for complaint in complaints]
    problems += lost_variants(index)
    return Linted(
        entries=len(index.entries),
        problems=tuple(sorted(problems, key=lambda problem: problem.line or 0)),
        hub_hashed=tuple(entry.name for entry in index.entries.values() if entry.unhashed),
        sizeless=tuple(one.name for one in index.entries.values() if one.download_size is None),
    )


def _of_card(entry: Entry, backends: Backends) -> Iterator[Complaint]:
    running = [
        ("card", "options", name)
        for name in code_options(entry.backend, entry.card.options, backends)
    ]
    for place in running:
        yield Complaint(place, f"{'.'.join(place)}: {REASON}")
    for complaint in card_complaints(entry, backends):
        if complaint.location not in running:
            yield complaint


def _complaints(entry: Entry) -> Iterator[Complaint]:
    if not entry.licence:
        yield Complaint((), "the key 'licence' is missing")
    if not entry.description:
        yield Complaint((), "the key 'description' is missing")
    paths: set[str] = set()
    for index, file in enumerate(entry.files):
        if file.path in paths:
            yield Complaint(("files", index, "path"), f"'{file.path}' is in 'files' twice")
        paths.add(file.path)
        if file.sha256 is None and not _hub_knows(file.uri):
            text = f"'{file.uri}' is no hub that names a checksum: write its sha256"
            yield Complaint(("files", index, "uri"), text)


def _hub_knows(uri: str) -> bool:
    """Tell whether the place itself says the checksum of what it sends."""
    return isinstance(parse_reference(uri), HubReference | OllamaReference | OciReference)


def lost_variants(index: Index) -> Iterator[Problem]:
    """Yield what is wrong with entries whose variants are no entries of `index`."""
    known = {*index.entries, *index.unusable}
    for entry in index.entries.values():
        for position, name in enumerate(entry.variants):
            if name not in known:
                text = f"there is no entry '{name}' to be a variant.{nearest(name, known)}"
                yield index.problem_of(entry.name, Complaint(("variants", position), text))
