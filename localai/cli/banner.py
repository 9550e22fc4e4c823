"""What `localai run` says when the gateway is ready."""

from __future__ import annotations

import json
from collections.abc import Iterator

from localai import __version__
from localai.cards.catalog import Catalog
from localai.cards.model_files import has_its_files, missing_references
from localai.cards.resolved import ResolvedCard
from localai.cli.addresses import curl_words
from localai.protocol.capabilities import ROUTES, Capability

_EXAMPLES = {
    Capability.CHAT: {"messages": [{"role": "user", "content": "Hello!"}]},
    Capability.COMPLETION: {"prompt": "Hello"},
}

_MOST_BROKEN = 3


def render_banner(url: str, catalog: Catalog) -> str:
    """Return the address, the models, one line to try, and which cards are broken."""
    lines = [f"LocalAI {__version__} listens on {url}", ""]
    lines += _models(catalog)
    lines += _try(url, catalog)
    lines += _broken(catalog)
    return "\n".join(lines)


def _models(catalog: Catalog) -> Iterator[str]:
    cards = catalog.cards()
    if not cards:
        yield "There is no model yet: put a card into the models folder, or use `localai pull`."
        return
    yield "Models:"
    width = max(len(card.name) for card in cards)
    for card in cards:
        yield f"  {card.name.ljust(width)}  {_remarks(card, catalog)}"


def _remarks(card: ResolvedCard, catalog: Catalog) -> str:
    remarks = [card.card.backend]
    default_for = [c.value for c in Capability if _is_default(card, c, catalog)]
    if default_for:
        remarks.append(f"default for {', '.join(default_for)}")
    if card.aliases:
        count = len(card.aliases)
        remarks.append(f"{count} alias{'es' if count > 1 else ''}")
    return ", ".join(remarks) + _absence(card, catalog)


def _absence(card: ResolvedCard, catalog: Catalog) -> str:
    """Return that a model is not here yet, and who answers meanwhile."""
    if has_its_files(card):
        return ""
    if not missing_references(card):
        return ", its file is missing"
    able = next(iter(card.capabilities), Capability.CHAT)
    standing_in = catalog.stand_in(card, able)
    if standing_in is card:
        return ", not here yet"
    return f", not here yet: {standing_in.name} answers until it is"


def _is_default(card: ResolvedCard, capability: Capability, catalog: Catalog) -> bool:
    default = catalog.default(capability)
    return default is not None and default.name == card.name


def _try(url: str, catalog: Catalog) -> Iterator[str]:
    for capability, body in _EXAMPLES.items():
        if catalog.default(capability) is not None:
            yield "Try:"
            yield (
                f"  {curl_words(url)}{ROUTES[capability]} -H 'content-type: application/json' "
                f"-d '{json.dumps(body)}'"
            )
            return


def _broken(catalog: Catalog) -> Iterator[str]:
    """Yield which files are wrong; what is wrong with each the log has told by then."""
    files = [*dict.fromkeys(str(one.path) for one in catalog.errors())]
    if files:
        more = f" and {len(files) - _MOST_BROKEN} more" if len(files) > _MOST_BROKEN else ""
        yield f"Broken cards: {', '.join(files[:_MOST_BROKEN])}{more}."
        yield "The log above tells what is wrong, and `localai doctor` what to do."
