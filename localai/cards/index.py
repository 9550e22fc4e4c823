"""What each name means: a pure function of the cards in order of their folders and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from localai.cards.aliases import DEFAULT_ALIASES, habitual_capability, takes_along, undated
from localai.cards.problems import Problem
from localai.cards.resolved import ResolvedCard
from localai.cards.schema import LONGEST_NAME
from localai.errors import InvalidRequest, ModelNotFound, nearest
from localai.protocol.capabilities import Capability

STARTER_CHAT = "starter-chat"
ECHO_BACKEND = "echo"


@dataclass(frozen=True)
class CardIndex:
    """Cards by name, names by alias, and the default card of each capability."""

    cards: Mapping[str, ResolvedCard]
    aliases: Mapping[str, str]
    defaults: Mapping[Capability, ResolvedCard]
    chosen: Mapping[Capability, str]
    """The defaults that the settings ask for."""
    clashes: tuple[Problem, ...]
    broken: Mapping[str, Problem] = field(default_factory=dict)
    """What is wrong with the cards that cannot be used, by their names."""

    def resolve(self, name: str | None, capability: Capability) -> ResolvedCard:
        """Return the card that answers calls of `capability` for `name`."""
        found = self.find(name) if name else self._default(capability)
        if name and self._leaves_it_open(name, capability, found):
            found = self.defaults[capability]
        if capability in found.capabilities:
            return found
        raise InvalidRequest(
            f"The model '{name or found.name}' cannot do '{capability}'.{self._able(capability)}",
            param="model",
            code="unsupported_capability",
        )

    def find(self, name: str) -> ResolvedCard:
        """Return the card by name, by alias, by either before a `:tag`, or by habit."""
        if len(name) > LONGEST_NAME:
            raise ModelNotFound(
                f"There is no model whose name has {len(name)} characters.", param="model"
            )
        for candidate in _candidates(name):
            found = self.cards.get(self.aliases.get(candidate, candidate))
            if found is not None:
                return found
        capability = habitual_capability(name)
        if capability is not None and capability in self.defaults:
            return self.defaults[capability]
        for candidate in _candidates(name):
            if (problem := self.broken.get(candidate)) is not None:
                raise ModelNotFound(
                    f"The model '{name}' cannot be used, for its card is broken. {problem}",
                    param="model",
                )
        hint = nearest(name, [*self.cards, *self.aliases])
        raise ModelNotFound(
            f"There is no model '{name}'.{hint} GET /v1/models lists all models.", param="model"
        )

    def _leaves_it_open(self, name: str, capability: Capability, found: ResolvedCard) -> bool:
        """Tell whether `name` says no more than that the default of `capability` should answer.

        It does where the settings chose that default, or where `found` itself cannot answer.
        """
        meant = habitual_capability(undated(name.rpartition(":")[0] or name))
        if capability not in self.defaults or not takes_along(meant, capability):
            return False
        if _is_claimed(name, found):
            return False
        return capability in self.chosen or capability not in found.capabilities

    def _default(self, capability: Capability) -> ResolvedCard:
        if capability in self.defaults:
            return self.defaults[capability]
        if capability in self.chosen:
            raise ModelNotFound(
                f"The setting default_{capability} names '{self.chosen[capability]}', but there is "
                "no such model. GET /v1/models lists all models.",
                param="model",
            )
        mend = "mend a broken one, which `localai doctor` lists, or " if self.broken else ""
        raise ModelNotFound(
            f"The request names no model, and there is none for '{capability}': {mend}add a card.",
            param="model",
        )

    def _able(self, capability: Capability) -> str:
        default = self.defaults.get(capability)
        able = [default] if default and capability in default.capabilities else []
        able += [c for c in _models(self.cards.values()) if capability in c.capabilities]
        return f" Use '{able[0].name}' instead." if able else " No model here can: add a card."


def _candidates(name: str) -> tuple[str, ...]:
    """Return what a card may be called that `name` means."""
    return name, name.rpartition(":")[0], undated(name)


def _is_claimed(name: str, card: ResolvedCard) -> bool:
    """Tell whether `card` itself says that it is called `name`, which OpenAI's names do not."""
    return not {*_candidates(name)}.isdisjoint({card.name, *card.card.aliases})


def build_index(
    folders: Sequence[Sequence[ResolvedCard]],
    chosen: Mapping[Capability, str],
    broken: Mapping[str, Problem] | None = None,
) -> CardIndex:
    """Return the meaning of every name in the cards of `folders`; later folders win.

    `broken` tells what is wrong with those that cannot be used, by their names.
    """
    named, same_names = _named(folders)
    ranked = [card for cards in named for card in cards]
    by_name = {card.name: card for card in ranked}
    aliases, same_aliases = _claimed_aliases(named, by_name)
    defaults = _defaults(ranked, aliases, chosen)
    for capability, card in defaults.items():
        for alias in DEFAULT_ALIASES.get(capability, ()):
            if alias not in by_name:
                aliases.setdefault(alias, card.name)
    cards = {name: _with_aliases(card, aliases) for name, card in sorted(by_name.items())}
    return CardIndex(
        cards=cards,
        aliases=aliases,
        defaults={capability: cards[card.name] for capability, card in defaults.items()},
        chosen=dict(chosen),
        clashes=(*same_names, *same_aliases),
        broken=broken or {},
    )


def _named(
    folders: Sequence[Sequence[ResolvedCard]],
) -> tuple[list[list[ResolvedCard]], list[Problem]]:
    """Return the winners of each name by folder, later folders first, and clashes in a folder."""
    named: list[list[ResolvedCard]] = []
    names: set[str] = set()
    aliases: set[str] = set()
    clashes: list[Problem] = []
    for cards in reversed(folders):
        here, twice = _first_of_each_name(cards)
        clashes += twice
        kept = []
        for card in [card for card in here.values() if card.name not in names]:
            if (one := _beside(card, aliases, names | {*here})) is not None:
                kept.append(one)
                names.add(one.name)
        named.append(kept)
        aliases |= {alias for card in kept for alias in card.card.aliases}
    return named, clashes


def _first_of_each_name(
    cards: Iterable[ResolvedCard],
) -> tuple[dict[str, ResolvedCard], list[Problem]]:
    found: dict[str, ResolvedCard] = {}
    clashes = []
    for card in cards:
        first = found.setdefault(card.name, card)
        if first is not card:
            text = f"the name '{card.name}' is already taken by {first.path}"
            clashes.append(Problem(card.path, None, text))
    return found, clashes


def _beside(card: ResolvedCard, aliases: set[str], names: set[str]) -> ResolvedCard | None:
    """Return `card` under a name that is not one of `aliases`, which belong to later folders.

    That is the first of its own aliases which is free, so that who calls another model `gpt-4`
    keeps what `gpt-4o` meant. None where it has no such name.
    """
    if card.name not in aliases:
        return card
    free = [alias for alias in card.card.aliases if alias not in aliases | names]
    if not free:
        return None
    renamed = card.card.model_copy(update={"name": free[0], "aliases": tuple(free[1:])})
    return replace(card, card=renamed)


def _claimed_aliases(
    named: Iterable[Iterable[ResolvedCard]], by_name: Mapping[str, ResolvedCard]
) -> tuple[dict[str, str], list[Problem]]:
    """Return whom each alias leads to; it is a clash only among the cards of one folder."""
    owners: dict[str, str] = {}
    clashes = []
    for cards in named:
        here = {card.name for card in cards}
        for card in cards:
            for alias in card.card.aliases:
                owner = alias if alias in by_name else owners.setdefault(alias, card.name)
                if owner != card.name and owner in here:
                    taken = by_name[owner].path
                    text = f"the alias '{alias}' already leads to '{owner}' of {taken}"
                    clashes.append(Problem(card.path, None, text))
    return owners, clashes


def _defaults(
    ranked: Sequence[ResolvedCard], aliases: Mapping[str, str], chosen: Mapping[Capability, str]
) -> dict[Capability, ResolvedCard]:
    by_name = {card.name: card for card in ranked}
    models = _models(ranked)
    defaults = {}
    for capability in Capability:
        if capability in chosen:
            name = chosen[capability]
            candidates = [by_name[n] for n in (name, aliases.get(name, name)) if n in by_name]
        else:
            candidates = sorted(
                (card for card in models if capability in card.capabilities), key=_default_rank
            )
        if candidates:
            defaults[capability] = candidates[0]
    return defaults


def _models(cards: Iterable[ResolvedCard]) -> list[ResolvedCard]:
    """Return the cards that may answer without being named: echo alone, or all others.

    Echo answers nonsense that a program would take for an answer, where a refusal tells the truth.
    """
    known = list(cards)
    return [card for card in known if card.card.backend != ECHO_BACKEND] or known


def _default_rank(card: ResolvedCard) -> tuple[bool, bool]:
    is_builtin = card.source == "builtin"
    return is_builtin, card.name != STARTER_CHAT and is_builtin


def _with_aliases(card: ResolvedCard, aliases: Mapping[str, str]) -> ResolvedCard:
    leading = [alias for alias, name in aliases.items() if name == card.name]
    own = [alias for alias in card.card.aliases if alias in leading]
    return replace(card, aliases=(*own, *sorted(set(leading) - set(own))))
