"""A card while it is written: what its schema or its backend would refuse becomes a note."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from localai.cards.importers.imported import Imported
from localai.cards.options import CONTEXT_OPTION, resolve_options
from localai.cards.resolved import Backends
from localai.cards.schema import LONGEST_NAME, Card
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import Manifest, OptionSpec

_ORDER = (
    "name", "aliases", "description", "capabilities", "backend", "model", "files", "defaults",
    "limits", "keep_alive", "options",
)  # fmt: skip
_MOST_STOPS = 4
_SWITCHES = {
    "true": True, "on": True, "yes": True, "1": True,
    "false": False, "off": False, "no": False, "0": False,
}  # fmt: skip


class Draft:
    """The parts of a card so far, and notes on what did not become one."""

    def __init__(self, backend: str, manifest: Manifest) -> None:
        self.backend, self.manifest = backend, manifest
        self.notes: list[str] = []
        self._card: dict[str, Any] = {"backend": backend}

    def name(self, name: str) -> None:
        """Take the model's name, as near as a card's name can be."""
        written = _fits_name(name)
        if written != name:
            self.notes.append(f"The name '{name}' is written '{written}', as names are here.")
        self._card["name"] = written

    def put(self, key: str, value: Any) -> None:
        """Take a whole part of the card."""
        self._card[key] = value

    def get(self, key: str) -> Any:
        """Return a part of the card so far."""
        return self._card.get(key)

    def default(self, parameter: str, value: Any, said: str) -> None:
        """Take a default of calls; `said` is where it was written, for a note if it is refused."""
        if parameter == "stop":
            value = self._few_stops(value, said)
        card = {"name": "a", "backend": "a", "defaults": {parameter: value}}
        if reason := _refusal(card):
            self.notes.append(f"`{said}` is left out: {reason}.")
            return
        self._part("defaults")[parameter] = value

    def limit(self, limit: str, value: Any, said: str) -> None:
        """Take a limit."""
        card = {"name": "a", "backend": "a", "limits": {limit: value}}
        reason = _refusal(card)
        if limit == "context" and CONTEXT_OPTION not in self.manifest.options:
            reason = f"the backend {self.backend} has no context to limit"
        if reason:
            self.notes.append(f"`{said}` is left out: {reason}.")
            return
        self._part("limits")[limit] = value

    def option(self, option: str, value: Any, said: str) -> None:
        """Take an option of the backend, turned into its type."""
        spec = self.manifest.options.get(option)
        if spec is None:
            self.notes.append(f"`{said}` is left out: {self.backend} has no such option.")
            return
        value = as_type(value, spec)
        card = Card(name="a", backend="a", options={option: value})
        _, complaints = resolve_options(card, self.manifest)
        if complaints:
            self.notes.append(f"`{said}` is left out: {complaints[0].message}.")
            return
        self._part("options")[option] = value

    def capabilities(self, wanted: tuple[Capability, ...]) -> None:
        """Take what the model can do, as far as the card's backend can do it."""
        can = tuple(one for one in wanted if one in self.manifest.capabilities)
        usual = self.manifest.usual_capabilities(self._card.get("options", {}))
        if can and set(can) != set(usual):
            self._card["capabilities"] = [str(one) for one in can]

    def finish(self, reason: str) -> Imported:
        """Return the card with its keys in their usual order."""
        card = {key: self._card[key] for key in _ORDER if self._card.get(key) not in (None, "")}
        return Imported(card, tuple(dict.fromkeys(self.notes)), reason)

    def _part(self, key: str) -> dict[str, Any]:
        part: dict[str, Any] = self._card.setdefault(key, {})
        return part

    def _few_stops(self, value: Any, said: str) -> Any:
        stops = [one for one in value if one] if isinstance(value, list) else value
        if isinstance(stops, list) and len(stops) > _MOST_STOPS:
            lost = ", ".join(repr(one) for one in stops[_MOST_STOPS:])
            self.notes.append(
                f"`{said}` keeps its first {_MOST_STOPS} texts, as calls may have no more; left "
                f"out: {lost}."
            )
            return stops[:_MOST_STOPS]
        return stops


def draft_for(backend: str, backends: Backends) -> Draft:
    """Return an empty draft for a backend that is here."""
    return Draft(backend, backends[backend][1])


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


def _fits_name(name: str) -> str:
    parts = (re.sub(r"[^A-Za-z0-9._:-]+", "-", part).lstrip("-._:") for part in name.split("/"))
    return "/".join(part for part in parts if part)[:LONGEST_NAME] or "model"


def _refusal(card: dict[str, Any]) -> str:
    try:
        Card.model_validate(card)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return ""
