"""A card while it is written: what its schema or its backend would refuse becomes a note."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any

from pydantic import ValidationError

from localai.cards.checking import valid_card
from localai.cards.importers.imported import Imported
from localai.cards.importers.notes import Note, left_out, shown
from localai.cards.options import CONTEXT_OPTION, resolve_options
from localai.cards.resolved import Backends
from localai.cards.schema import LONGEST_NAME, Card
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import Manifest, OptionSpec

_ORDER = (
    "name", "aliases", "description", "capabilities", "backend", "model", "files", "trust",
    "fallback", "defaults", "limits", "keep_alive", "options", "lenient",
)  # fmt: skip
_MOST_STOPS = 4
_MANY_TOKENS = 16384
_SWITCHES = {
    "true": True, "on": True, "yes": True, "1": True,
    "false": False, "off": False, "no": False, "0": False,
}  # fmt: skip


class Draft:
    """The parts of a card so far, and notes on what did not become one."""

    def __init__(self, backend: str, manifest: Manifest) -> None:
        self.backend, self.manifest = backend, manifest
        self._notes: list[Note] = []
        self._card: dict[str, Any] = {"backend": backend}
        self._said: dict[tuple[str, str], str] = {}

    def name(self, name: str) -> None:
        """Take the model's name, as near as a card's name can be."""
        written = fits_name(name)
        if written != name:
            self.note(f"The name '{name}' is written '{written}', as names are here.")
        self._card["name"] = written

    def note(self, *notes: str | Note) -> None:
        """Take sentences; as texts alone they tell of nothing that is lost."""
        self._notes += (one if isinstance(one, Note) else Note(one) for one in notes)

    def lose(self, text: str, *keys: str) -> None:
        """Take a sentence that says what of `keys` has no place in the card."""
        self.note(Note(text, keys, is_lost=True))

    def leave_out(self, said: str, reason: str, value: Any = None) -> None:
        """Say that nothing was made of what stands at `said`, and why."""
        self.note(left_out(said, reason, value))

    def put(self, key: str, value: Any) -> None:
        """Take a whole part of the card."""
        self._card[key] = value

    def get(self, key: str) -> Any:
        """Return a part of the card so far."""
        return self._card.get(key)

    def taken(self, said: str) -> list[str]:
        """Return the options and other parts that stand because of `said`."""
        return [key for (_, key), by in self._said.items() if by == said]

    def default(self, parameter: str, value: Any, said: str) -> None:
        """Take a default of calls; `said` is where it was written, for a note if it is refused."""
        if parameter == "stop":
            value = self._few_stops(self._texts(value, said), said)
            if not value:
                return
        self._fit("defaults", parameter, value, said)

    def limit(self, limit: str, value: Any, said: str) -> None:
        """Take a limit."""
        if limit == "context" and CONTEXT_OPTION not in self.manifest.options:
            self.leave_out(said, f"the backend {self.backend} has no context to limit")
            return
        self._fit("limits", limit, value, said)

    def share_memory(self) -> None:
        """Have few conversations at a time where a context is said.

        Elsewhere it is what all of them share; here each has as much of its own.
        """
        limits = self._card.get("limits", {})
        embeds = self._card.get("capabilities") == [str(Capability.EMBEDDING)]
        if embeds or "context" not in limits or "max_concurrent" in limits:
            return
        limits["max_concurrent"] = conversations(limits["context"])
        self.note(
            f"`limits.max_concurrent` is {limits['max_concurrent']}, to keep near the memory that "
            "the context takes elsewhere: here each conversation has one of its own. Raise it if "
            "there is memory for more."
        )

    def option(self, option: str, value: Any, said: str) -> None:
        """Take an option of the backend, turned into its type."""
        spec = self.manifest.options.get(option)
        if spec is None:
            self.leave_out(said, f"{self.backend} has no such option")
            return
        value = as_type(value, spec)
        if spec.needs_trust:
            if value:
                self.leave_out(
                    said,
                    "it lets the model run programs of its own. If you trust it, write "
                    f"`trust: true` into the card, and `options.{option}: true`",
                )
            return
        card = Card(name="a", backend="a", options={option: value})
        _, complaints = resolve_options(card, self.manifest)
        if complaints:
            self.leave_out(said, complaints[0].message)
            return
        self._take("options", option, value, said)

    def capabilities(self, wanted: tuple[Capability, ...]) -> None:
        """Take what the model can do, as far as the card's backend can do it."""
        can = tuple(one for one in wanted if one in self.manifest.capabilities)
        usual = self.manifest.usual_capabilities(self._card.get("options", {}))
        if can and set(can) != set(usual):
            self._card["capabilities"] = [str(one) for one in can]

    def finish(self, reason: str) -> Imported:
        """Return the card with its keys in their usual order."""
        card = {key: self._card[key] for key in _ORDER if self._card.get(key) not in (None, "")}
        notes = dict.fromkeys(self._notes)
        lost = tuple(note for note in notes if note.is_lost)
        return Imported(card, tuple(dict.fromkeys(map(str, notes))), reason, lost)

    def _fit(self, part: str, key: str, value: Any, said: str) -> None:
        """Take a value as it is or, where only that passes, as the number that it spells."""
        meant = next((one for one in _meanings(value) if not _refusal({part: {key: one}})), None)
        if meant is None:
            self.leave_out(said, _refusal({part: {key: value}}))
            return
        self._take(part, key, meant, said)

    def _take(self, part: str, key: str, value: Any, said: str) -> None:
        taken, place = self._part(part), (part, key)
        if key in taken and taken[key] != value:
            self.note(
                f"`{said}` ({shown(value)}) takes the place of what `{self._said[place]}` says "
                f"({shown(taken[key])})."
            )
        taken[key], self._said[place] = value, said

    def _part(self, key: str) -> dict[str, Any]:
        part: dict[str, Any] = self._card.setdefault(key, {})
        return part

    def _texts(self, value: Any, said: str) -> list[str]:
        """Return the texts of a list; an entry that is none is converted, or left out."""
        texts: list[str] = []
        for one in value if isinstance(value, list) else [value]:
            if one is None or one == "" or isinstance(one, dict | list):
                self.note(f"`{said}` loses its entry {shown(one) or 'without text'!r}.")
            else:
                texts.append(str(one).lower() if isinstance(one, bool) else str(one))
        return list(dict.fromkeys(texts))

    def _few_stops(self, stops: list[str], said: str) -> list[str]:
        if len(stops) > _MOST_STOPS:
            lost = ", ".join(repr(one) for one in stops[_MOST_STOPS:])
            self.lose(
                f"`{said}` keeps its first {_MOST_STOPS} texts, as calls may have no more; left "
                f"out: {lost}.",
                said,
            )
            return stops[:_MOST_STOPS]
        return stops


def draft_for(backend: str, backends: Backends) -> Draft:
    """Return an empty draft for a backend that is here."""
    return Draft(backend, backends[backend][1])


def conversations(context: int) -> int:
    """Return how many conversations of `context` tokens may run at once, for a start."""
    return 1 if context > _MANY_TOKENS else 2


def model_name(text: str) -> str:
    """Return a name for the model of a file, as `qwen3-4b-q4_k_m`."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:LONGEST_NAME] or "model"


def as_type(value: Any, spec: OptionSpec) -> Any:
    """Return `value` in an option's type where it plainly means one, else as it is."""
    if spec.enum is not None and isinstance(value, bool):
        value = "on" if value else "off"
    if spec.enum is not None and str(value).lower() in _SWITCHES and "on" in spec.enum:
        return "on" if _SWITCHES[str(value).lower()] else "off"
    text = str(value).strip()
    if spec.type == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    convert = _CONVERSIONS.get(spec.type)
    if convert is None or isinstance(value, bool):
        return value
    try:
        return convert(value if spec.type == "array" else text)
    except (ValueError, KeyError):
        return value


def _as_numbers(value: Any) -> Any:
    return [float(one) for one in value.split(",")] if isinstance(value, str) else value


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "integer": int,
    "number": float,
    "boolean": lambda text: _SWITCHES[text.lower()],
    "array": _as_numbers,
    "string": str,
}


def fits_name(name: str) -> str:
    """Return what is as near to `name` as a card's name can be."""
    parts = (re.sub(r"[^A-Za-z0-9._:-]+", "-", part).lstrip("-._:") for part in name.split("/"))
    return "/".join(part for part in parts if part)[:LONGEST_NAME] or "model"


def _meanings(value: Any) -> Iterator[Any]:
    """Yield a value, and the number that it spells: 4096 for "4096" and 4096.0."""
    yield value
    if isinstance(value, bool) or not isinstance(value, str | float):
        return
    try:
        number = float(value)
    except ValueError:
        return
    if number.is_integer():
        yield int(number)
    if isinstance(value, str) and isfinite(number):
        yield number


def _refusal(part: dict[str, Any]) -> str:
    card = {"name": "a", "backend": "a", **part}
    try:
        valid_card(card)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return ""
