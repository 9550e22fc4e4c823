"""A card's file to a resolved card, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localai.cards.checking import Checked, check_content
from localai.cards.localai_models import models_of_localai, names_of, no_card
from localai.cards.problems import Complaint, Problem
from localai.cards.resolved import Backends, ResolvedCard, Source
from localai.cards.schema import content_digest
from localai.cards.yaml_source import YamlSource, read_yaml


@dataclass(frozen=True)
class CheckedCard:
    """What reading a file gave: the card, or the problems; never both."""

    text: YamlSource
    resolved: ResolvedCard | None
    problems: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()
    """What models are called of which there is no card, because of the problems."""

    @property
    def path(self) -> Path:
        """Return the card's file."""
        return self.text.path


def check_card(path: Path, backends: Backends, source: Source = "user") -> CheckedCard:
    """Read a card's file and collect everything that is wrong with it."""
    text = read_yaml(path)
    if text.data is None:
        return _refused(text, text.problems, backends)
    checked = check_content(text.data, backends)
    problems = [*text.problems, *(_placed(one, text) for one in checked.complaints)]
    if problems:
        return _refused(text, sorted(problems, key=lambda p: p.line or 0), backends)
    return CheckedCard(text, _resolved(text, checked, backends, source))


def _refused(text: YamlSource, problems: Sequence[Problem], backends: Backends) -> CheckedCard:
    if theirs := models_of_localai(text.path, backends):
        problem, names = no_card(text.path, theirs), names_of(theirs)
        return CheckedCard(text, None, (problem,), names or (text.path.stem,))
    name = text.data.get("name") if text.data is not None else None
    return CheckedCard(text, None, tuple(problems), (str(name or text.path.stem),))


def _resolved(
    text: YamlSource, checked: Checked, backends: Backends, source: Source
) -> ResolvedCard | None:
    card = checked.card
    if card is None or checked.complaints:
        return None
    folder, manifest = backends[card.backend]
    capabilities = card.capabilities or tuple(manifest.usual_capabilities(checked.options))
    content = [card.model_dump(mode="json"), checked.options, list(capabilities)]
    return ResolvedCard(
        card=card,
        path=text.path,
        manifest=manifest,
        backend_folder=folder,
        capabilities=capabilities,
        options=checked.options,
        digest=content_digest(content),
        created=int(text.path.stat().st_mtime),
        source=source,
        aliases=card.aliases,
    )


def _placed(complaint: Complaint, text: YamlSource) -> Problem:
    return Problem(text.path, text.line_of(complaint.location), complaint.message)
