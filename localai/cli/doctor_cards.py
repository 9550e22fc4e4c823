"""Whether everything is here that the cards name, and the machine is large enough for a profile."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator

from localai.cards.model_files import missing_references, resolve_model_path, resolve_option_paths
from localai.cards.resolved import ResolvedCard
from localai.cli.doctor_findings import Finding, quoted
from localai.cli.profile_needs import profile_shortages
from localai.errors import LoadFailed
from localai.hardware.machine import Machine
from localai.settings import Settings, load_settings, profile_folder


def check_files(settings: Settings, cards: Iterable[ResolvedCard]) -> Iterator[Finding]:
    """Check that the files of each card are here, or that another answers in its place."""
    for card in cards:
        try:
            resolve_model_path(card)
            resolve_option_paths(card)
        except LoadFailed as failure:
            fallback = card.card.fallback
            text = f"'{card.name}' is not here yet: '{fallback}' answers in its place"
            yield Finding(
                "error" if fallback is None else "warning",
                failure.message if fallback is None else text,
                _mend(settings, card),
            )


def check_profile(
    settings: Settings, machine: Machine, cards: Collection[ResolvedCard]
) -> Iterator[Finding]:
    """Check that the machine has the memory and the disk for the models of its profile."""
    for text in profile_shortages(settings, machine.memory.total, machine.disk_free, cards):
        yield Finding("warning", text, "choose fewer models: your own cards in place of a profile")


def _mend(settings: Settings, card: ResolvedCard) -> str:
    """Return what brings the files of a card; what is of the user's disk only they can bring."""
    if not missing_references(card):
        return f"put that file there, or correct the path in {quoted(card.path)}"
    words = ["localai pull", shlex.quote(card.name)]
    if settings.profile and card.path.parent == profile_folder(settings.profile):
        words += ["--profile", settings.profile]
    usual = load_settings()
    for name in ("models", "store"):
        folder = getattr(settings, name)
        words += [f"--{name}", quoted(folder)] if folder != getattr(usual, name) else []
    return " ".join(words)
