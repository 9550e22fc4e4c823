"""Whether the backends and the cards are correct, and everything is here that the cards name."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from localai.cards.catalog import card_files
from localai.cards.index import build_index
from localai.cards.model_files import (
    has_its_files,
    missing_references,
    resolve_model_path,
    resolve_option_paths,
)
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, ResolvedCard
from localai.cli.doctor_findings import Finding, quoted
from localai.cli.whereabouts import locator_of
from localai.errors import ConfigError, LoadFailed
from localai.hardware.machine import Machine
from localai.hardware.profile_needs import shortages
from localai.protocol.manifest import read_manifests
from localai.settings import (
    Settings,
    backend_folders,
    catalog_folders,
    load_settings,
    profile_folder,
)


@dataclass(frozen=True)
class CheckedCards:
    """The backends, the cards that can be used, and what is wrong with the others."""

    backends: Backends
    cards: tuple[ResolvedCard, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def in_use(self) -> set[str]:
        """The backends that cards use."""
        return {card.card.backend for card in self.cards}

    @property
    def wanted_engines(self) -> set[str]:
        """The engines that cards put on a GPU, and that would not go there by themselves."""
        on_gpu = (c for c in self.cards if c.card.backend == "piper" and c.options.get("use_cuda"))
        return {"onnxruntime" for _ in on_gpu}


def read_cards(settings: Settings) -> CheckedCards:
    """Check every backend and card as `localai card check` does."""
    try:
        backends = read_manifests(*backend_folders(settings))
    except ConfigError as error:
        return CheckedCards({}, (), (Finding("error", error.message, "correct that file"),))
    found: list[Finding] = []
    folders: list[list[ResolvedCard]] = []
    locate = locator_of(settings)
    for folder in catalog_folders(settings):
        checked = [check_card(path, backends) for path in card_files(folder)]
        for one in checked:
            mend = f"localai card check {quoted(one.path)}"
            found += [Finding("error", str(problem), mend) for problem in one.problems]
        folders.append([replace(one.resolved, locate=locate) for one in checked if one.resolved])
    index = build_index(folders, {})
    found += [Finding("warning", str(clash), "rename one of the two") for clash in index.clashes]
    return CheckedCards(backends, tuple(index.cards.values()), tuple(found))


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


def profile_shortages(
    settings: Settings, memory: int, disk: int | None, cards: Iterable[ResolvedCard]
) -> list[str]:
    """Return what this machine is too small for of its profile, as sentences."""
    profile = settings.profile
    if profile is None or profile == "auto":
        return []
    folder = profile_folder(profile)
    own = (card for card in cards if card.path.parent == folder)
    missing = [card.name for card in own if not has_its_files(card)]
    return shortages(profile, missing, memory, disk)


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
