"""Hosts that cannot be reached: told once, and not again for every model that waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from localai.cards.model_files import missing_references
from localai.cards.resolved import ResolvedCard


class Outage:
    """Which models wait for which host; all methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._host_of: dict[str, str] = {}
        self._told: set[str] = set()
        self._nobody_answers = False

    def begins(self, model: str, host: str) -> bool:
        """Note that `host` cannot be reached; tell whether that is news.

        It is none where nothing else has been reached either since the last news: then it is the
        same lack of a network, whatever the host.
        """
        with self._lock:
            is_news = host not in self._told and not self._nobody_answers
            self._host_of[model] = host
            self._told.add(host)
            self._nobody_answers = self._nobody_answers or is_news
            return is_news

    def ends(self, model: str) -> str | None:
        """Note that bytes of `model` came; return its host if it could not be reached before."""
        with self._lock:
            self._nobody_answers = False
            host = self._host_of.pop(model, None)
            if host not in self._told:
                return None
            self._told.remove(host)
            return host


def answered_by_others(cards: Iterable[ResolvedCard]) -> str:
    """Return a sentence on the models that are not here: who answers for them, or that nobody does.

    It is empty where all are here.
    """
    known = list(cards)
    by_name = {name: card for card in known for name in (*card.aliases, card.name)}
    answering: dict[str, list[str]] = {}
    silent = []
    for card in known:
        answerer = _answerer(card, by_name)
        if answerer is None:
            silent.append(card.name)
        elif answerer is not card:
            answering.setdefault(answerer.name, []).append(card.name)
    parts = [
        f"{_listed(names)} {_verb(names)} answered by the fallback '{fallback}'"
        for fallback, names in sorted(answering.items())
    ]
    if silent:
        parts.append(f"{_listed(silent)} {_verb(silent)} not answered")
    return f"Meanwhile {_joined(parts)}." if parts else ""


def _answerer(card: ResolvedCard, by_name: Mapping[str, ResolvedCard]) -> ResolvedCard | None:
    """Return the first in the line of fallbacks that is here; None where nobody is."""
    tried: set[str] = set()
    while missing_references(card):
        tried.add(card.name)
        following = by_name.get(card.card.fallback or "")
        if following is None or following.name in tried:
            return None
        card = following
    return card


def _verb(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: list[str]) -> str:
    return _joined([f"'{name}'" for name in names])


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
