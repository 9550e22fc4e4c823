"""A card's options against what its backend's manifest says about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localai.cards.problems import Complaint, Location, dotted
from localai.cards.schema import Card
from localai.errors import nearest
from localai.protocol.manifest import Manifest, OptionSpec

CONTEXT_OPTION = "n_ctx"

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


def resolve_options(card: Card, manifest: Manifest) -> tuple[dict[str, Any], list[Complaint]]:
    """Return the card's options over the manifest's defaults, and what is wrong with them."""
    complaints = [*_check_options(card, manifest), *_check_context(card, manifest)]
    options = manifest.option_defaults()
    if CONTEXT_OPTION in options and card.limits.context is not None:
        options[CONTEXT_OPTION] = card.limits.context
    return options | card.options, complaints


def _check_options(card: Card, manifest: Manifest) -> Iterator[Complaint]:
    for name, value in card.options.items():
        spec = manifest.options.get(name)
        if spec is None:
            hint = nearest(name, manifest.options)
            text = f"the backend '{manifest.name}' has no option '{name}'.{hint}"
            yield Complaint(("options", name), text)
        elif not (value is None and spec.default is None):
            yield from _check_value(value, spec, ("options", name))
        if spec is not None and spec.needs_trust and value and not card.trust:
            text = (
                f"options.{name} lets the model run programs of its own: if you trust it, write "
                "`trust: true` into the card"
            )
            yield Complaint(("options", name), text)


def _check_context(card: Card, manifest: Manifest) -> Iterator[Complaint]:
    context, place = card.limits.context, ("limits", "context")
    if context is None:
        return
    spec = manifest.options.get(CONTEXT_OPTION)
    if spec is None:
        text = f"the backend '{manifest.name}' has no context to limit: remove it"
        yield Complaint(place, text)
        return
    yield from _check_value(context, spec, place)
    explicit = card.options.get(CONTEXT_OPTION, context)
    if explicit != context:
        text = f"limits.context is {context} but options.{CONTEXT_OPTION} is {explicit}: keep one"
        yield Complaint(place, text)


def _check_value(value: Any, spec: OptionSpec, place: Location) -> Iterator[Complaint]:
    if not _is_of_type(value, spec.type):
        yield Complaint(place, f"{dotted(place)}: should be of type {spec.type}, not {value!r}")
        return
    if spec.enum is not None and value not in spec.enum:
        allowed = ", ".join(repr(one) for one in spec.enum)
        yield Complaint(place, f"{dotted(place)}: {value!r} is not one of {allowed}")
    if spec.minimum is not None and value < spec.minimum:
        yield Complaint(place, f"{dotted(place)}: {value} is less than {spec.minimum:g}")
    if spec.maximum is not None and value > spec.maximum:
        yield Complaint(place, f"{dotted(place)}: {value} is more than {spec.maximum:g}")
    if spec.items is not None:
        yield from _check_items(value, spec.items, place)


def _check_items(
    values: list[Any], items: Mapping[str, Any], place: Location
) -> Iterator[Complaint]:
    wanted, allowed = items.get("type"), items.get("enum")
    for index, value in enumerate(values):
        if wanted is not None and not _is_of_type(value, wanted):
            text = f"{dotted(place)}: should hold values of type {wanted}, not {value!r}"
            yield Complaint((*place, index), text)
        elif allowed is not None and value not in allowed:
            known = ", ".join(repr(one) for one in allowed)
            text = f"{dotted(place)}: {value!r} is not one of {known}"
            yield Complaint((*place, index), text)


def _is_of_type(value: Any, wanted: str) -> bool:
    # In Python a bool is an int; in JSON it is not.
    return isinstance(value, _TYPES[wanted]) and (wanted == "boolean") == isinstance(value, bool)
