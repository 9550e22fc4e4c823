"""Tells in the log what jobs do: what comes, what is here, what failed, and that nobody answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from localai.amounts import shown_seconds
from localai.cards.resolved import ResolvedCard
from localai.concealing import concealed
from localai.errors import LocalAIError
from localai.gallery.fetch_log import FetchLog
from localai.gallery.jobs import PAUSES, Perform
from localai.gallery.order import Order
from localai.gallery.outage import Outage, answered_by_others
from localai.store.errors import Cancelled, CannotWrite, FetchFailed, Offline, Unreachable
from localai.store.progress import Progress, Report

_log = logging.getLogger(__name__)


class JobLog:
    """Performs orders as `perform` does, and tells of it.

    `cards` are all cards as they are now; `card_of` tells which of them an order brings.
    """

    def __init__(
        self,
        perform: Perform,
        cards: Callable[[], Sequence[ResolvedCard]],
        card_of: Callable[[Order], ResolvedCard | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._perform = perform
        self._cards = cards
        self._card_of = card_of
        self._clock = clock
        self._outage = Outage()
        self._lock = threading.Lock()
        self._has_told_offline = False
        self._busy: set[str] = set()
        self._unwritable = ""
        self._unanswered: set[str] = set()

    def __call__(self, order: Order, report: Report, cancel: threading.Event) -> Sequence[str]:
        """Do what `order` says, and return what `perform` returns; raises what it raises."""
        model = concealed(order.model)
        told = FetchLog(model, self._clock)

        def note(progress: Progress) -> None:
            told.note(progress)
            if told.has_received:
                self._tell_answering(model)
            report(progress)

        try:
            notes = self._perform(order, note, cancel)
        except LocalAIError as error:
            self._tell_failure(model, error)
            raise
        with self._lock:
            self._busy.discard(model)
            self._unwritable = ""
            self._unanswered.discard(model)
        for sentence in notes:
            _log.info("the model '%s': %s", model, concealed(sentence))
        successor = _successor(model, self._card_of(order))
        _log.info("the model '%s' is here: %s%s", model, told.end(), successor)
        return notes

    def _tell_failure(self, model: str, error: LocalAIError) -> None:
        if isinstance(error, Cancelled):
            _log.info("fetching the model '%s' was stopped", model)
        elif isinstance(error, Unreachable):
            self._tell_outage(model, error)
        elif isinstance(error, Offline):
            self._tell_offline(model)
        elif isinstance(error, FetchFailed):
            self._tell_busy(model, error)
        elif isinstance(error, CannotWrite):
            self._tell_unwritable(model, error)
        else:
            _log.error("the model '%s' could not be fetched: %s", model, concealed(error.message))

    def _tell_outage(self, model: str, error: Unreachable) -> None:
        if not self._outage.begins(model, error.host):
            self._tell_unanswered(model, f"{error.host} cannot be reached")
            _log.debug("the model '%s' could not be fetched: %s", model, concealed(error.message))
            return
        _log.warning(
            "there is no network, or %s is down: the model '%s' could not be fetched (%s) %s It is "
            "tried again in %s, then less and less often.",
            error.host, model, concealed(error.message), answered_by_others(self._cards()),
            shown_seconds(PAUSES[0]),
        )  # fmt: skip
        with self._lock:
            self._unanswered.add(model)  # it is named above

    def _tell_busy(self, model: str, error: FetchFailed) -> None:
        with self._lock:
            is_news = model not in self._busy
            self._busy.add(model)
        pause = shown_seconds(max(PAUSES[0], error.retry_after or 0.0))
        _log.log(
            logging.WARNING if is_news else logging.DEBUG,
            "the model '%s' could not be fetched for now: %s It is tried again in %s, then less "
            "and less often.", model, concealed(error.message), pause,
        )  # fmt: skip

    def _tell_unwritable(self, model: str, error: CannotWrite) -> None:
        with self._lock:
            is_news = not self._unwritable
            self._unwritable = error.message
        level = logging.ERROR if is_news else logging.DEBUG  # it is the same for all models
        _log.log(level, "the model '%s' could not be fetched: %s", model, error.message)

    def _tell_answering(self, model: str) -> None:
        if (host := self._outage.ends(model)) is not None:
            _log.info("%s can be reached again", host)

    def _tell_offline(self, model: str) -> None:
        with self._lock:
            is_news = not self._has_told_offline
            self._has_told_offline = True
        if is_news:
            _log.warning(
                "HF_HUB_OFFLINE is set, so that nothing is fetched. %s",
                answered_by_others(self._cards()),
            )
        self._tell_unanswered(model, "HF_HUB_OFFLINE is set")

    def _tell_unanswered(self, model: str, reason: str) -> None:
        """Name a model that has no card yet: what is told of all cards does not name it."""
        has_card = any(model in (card.name, *card.aliases) for card in self._cards())
        with self._lock:
            is_news = not has_card and model not in self._unanswered
            self._unanswered.add(model)
        if is_news:
            _log.warning("the model '%s' is not installed and not answered: %s", model, reason)


def _successor(model: str, card: ResolvedCard | None) -> str:
    """Return who answers from now on, as the end of a sentence."""
    if card is None:
        return ""
    who = "it answers" if card.name == model else f"'{card.name}' answers"
    if card.card.fallback is None:
        return f"; {who} from now on"
    return f"; {who} from now on instead of its fallback '{card.card.fallback}'"
