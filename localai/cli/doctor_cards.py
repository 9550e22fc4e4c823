"""Whether everything is here that the cards name, and the machine is large enough for a profile."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from localai.cards.model_files import (
    has_its_files,
    missing_references,
    resolve_option_paths,
    safe_model_path,
)
from localai.cards.resolved import Backends, ResolvedCard
from localai.cli.doctor_findings import Finding, quoted
from localai.cli.profile_needs import profile_shortages
from localai.errors import LoadFailed
from localai.gallery.galleries import galleries_of
from localai.hardware.machine import Machine
from localai.settings import Settings, load_settings, profile_folder


def check_files(settings: Settings, cards: Iterable[ResolvedCard]) -> Iterator[Finding]:
    """Check that the files of each card are here, or that another answers in its place."""
    for card, failure in failing_cards(cards):
        fallback = card.card.fallback
        text = f"'{card.name}' is not here yet: '{fallback}' answers in its place"
        yield Finding(
            "error" if fallback is None else "warning",
            failure.message if fallback is None else text,
            _mend(settings, card),
        )


def failing_cards(
    cards: Iterable[ResolvedCard],
) -> Iterator[tuple[ResolvedCard, LoadFailed]]:
    """Yield the cards that cannot be loaded as their files are now, each with the reason."""
    for card in cards:
        try:
            safe_model_path(card)
            resolve_option_paths(card)
        except LoadFailed as failure:
            yield card, failure


def check_galleries(settings: Settings, backends: Backends) -> Iterator[Finding]:
    """Check that every gallery can be read, as what it has cannot be installed else."""
    for trouble in galleries_of(settings, backends).troubles():
        yield Finding("warning", trouble.what, trouble.mend)


def check_profile(
    settings: Settings, machine: Machine, cards: Collection[ResolvedCard]
) -> Iterator[Finding]:
    """Check that the machine has the memory and the disk for the models of its profile."""
    for text in profile_shortages(settings, machine.memory.total, machine.disk_free, cards):
        yield Finding("warning", text, "choose fewer models: your own cards in place of a profile")


def folder_options(settings: Settings) -> list[str]:
    """Return the options by which another command finds the same folders."""
    usual, words = load_settings(), list[str]()
    for name in ("models", "store"):
        folder = getattr(settings, name)
        words += [f"--{name}", quoted(folder)] if folder != getattr(usual, name) else []
    return words


def _mend(settings: Settings, card: ResolvedCard) -> str:
    """Return what brings the files of a card; what is of the user's disk only they can bring."""
    if missing_references(card):
        words = [shlex.quote(card.name)]
        if settings.profile and card.path.parent == profile_folder(settings.profile):
            words += ["--profile", settings.profile]
    elif (reference := _damaged(card)) is not None:
        words = [shlex.quote(reference)]
    elif has_its_files(card):
        return f"take another model file, or correct {quoted(card.path)}"
    else:
        return f"put that file there, or correct the path in {quoted(card.path)}"
    return " ".join(["localai pull", *words, *folder_options(settings)])


def _damaged(card: ResolvedCard) -> str | None:
    """Return what a file that the card names was fetched by, if it is not whole any more."""
    options = card.manifest.options
    texts = [
        card.card.model,
        *(card.options.get(name) for name in options if options[name].is_path),
    ]
    paths = (card.path.parent / Path(text).expanduser() for text in texts if isinstance(text, str))
    return next((one for path in paths if (one := card.locate.damaged(path)) is not None), None)
