"""All backends and cards that settings lead to, with what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain

from localai.cards.catalog import card_files
from localai.cards.index import build_index
from localai.cards.problems import Problem
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, ResolvedCard
from localai.cli.doctor_findings import Finding, quoted
from localai.cli.opening import backends_of
from localai.cli.profile_choice import with_profile
from localai.cli.whereabouts import locator_of
from localai.errors import ConfigError
from localai.settings import Settings, catalog_folders


@dataclass(frozen=True)
class CheckedCards:
    """The backends, the cards that can be used, and what is wrong with the others."""

    backends: Backends
    cards: tuple[ResolvedCard, ...] = ()
    findings: tuple[Finding, ...] = ()
    broken: Mapping[str, Problem] = field(default_factory=dict)
    """The first problem of each of the others, by the names of its models."""

    @property
    def in_use(self) -> set[str]:
        """The backends that cards use."""
        return {card.card.backend for card in self.cards}

    @property
    def wanted_engines(self) -> set[str]:
        """The engines that cards put on a GPU, and that would not go there by themselves."""
        is_wanted = any(c.card.backend == "piper" and c.options.get("use_cuda") for c in self.cards)
        return {"onnxruntime"} if is_wanted else set()


def read_cards(settings: Settings) -> CheckedCards:
    """Check every backend and card as `localai card check` does."""
    try:
        backends = backends_of(settings)
    except ConfigError as error:
        return CheckedCards({}, (), (Finding("error", error.message, "correct that file"),))
    found: list[Finding] = []
    broken: dict[str, Problem] = {}
    folders: list[list[ResolvedCard]] = []
    locate = locator_of(settings)
    for folder in catalog_folders(settings):
        checked = [check_card(path, backends) for path in card_files(folder)]
        found += [_finding(problem) for one in checked for problem in one.problems]
        broken |= {name: one.problems[0] for one in checked for name in one.names}
        folders.append([replace(one.resolved, locate=locate) for one in checked if one.resolved])
    index = build_index(folders, {})
    found += [Finding("warning", str(clash), "rename one of the two") for clash in index.clashes]
    return CheckedCards(backends, tuple(index.cards.values()), tuple(found), broken)


def cards_called(settings: Settings) -> Callable[[str], ResolvedCard | None]:
    """Return what finds the card of a name or an alias; the cards are read for the first name.

    It raises CardError for a name that only a broken card has.
    """

    @cache
    def checked() -> CheckedCards:
        return read_cards(with_profile(settings, is_said=False))

    def called(name: str) -> ResolvedCard | None:
        named = (card for card in checked().cards if card.name == name)
        aliased = (card for card in checked().cards if name in card.card.aliases)
        card = next(chain(named, aliased), None)
        if card is None and (problem := checked().broken.get(name)) is not None:
            raise problem.error()
        return card

    return called


def _finding(problem: Problem) -> Finding:
    mend = problem.mend or f"localai card check {quoted(problem.path)}"
    return Finding("error", str(replace(problem, mend="")), mend)
