"""All backends and cards that settings lead to, with what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from localai.cards.catalog import card_files
from localai.cards.index import build_index
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, ResolvedCard
from localai.cli.doctor_findings import Finding, quoted
from localai.cli.opening import backends_of
from localai.cli.whereabouts import locator_of
from localai.errors import ConfigError
from localai.settings import Settings, catalog_folders


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
        is_wanted = any(c.card.backend == "piper" and c.options.get("use_cuda") for c in self.cards)
        return {"onnxruntime"} if is_wanted else set()


def read_cards(settings: Settings) -> CheckedCards:
    """Check every backend and card as `localai card check` does."""
    try:
        backends = backends_of(settings)
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
