"""Cards written to their files: whole or not at all, and never over another model's card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

import yaml

from localai.errors import CardError
from localai.files import place_of, replace_text

IfThere = Literal["keep", "refuse", "replace"]
"""What becomes of a card that is there.

keep: one that runs the same model stays, with what a person wrote in it; another is refused.
refuse: only the same content may be there. replace: it makes way, whatever it is.
"""


class AnotherCard(CardError):
    """A card that is not this model's has the place; whoever asks adds what can be done there."""

    def __init__(self, target: Path) -> None:
        super().__init__("is already there and differs: rename or remove it", path=str(target))


def card_file(folder: Path, name: str) -> Path:
    """Return where the card of the model `name` is written in a folder."""
    return folder / f"{re.sub('[/:]', '-', name)}.yaml"


def card_text(content: Mapping[str, Any]) -> str:
    """Return a card as YAML; texts of several lines stay readable as such."""
    return yaml.dump(
        dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31
    )


def write_card(target: Path, content: Mapping[str, Any], if_there: IfThere = "keep") -> bool:
    """Write a card, and return whether that was needed.

    Raises AnotherCard when another card is there, which may not be replaced.
    """
    if if_there != "replace" and target.exists():
        there = read_content(target)
        same = _runs_the_same(there, content, target.parent) if if_there == "keep" else False
        if not same and there != dict(content):
            raise AnotherCard(target)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_text(target, card_text(content))
    return True


def check_can_be_written(target: Path) -> None:
    """Raise OSError where no card can be written to `target`: before gigabytes come for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryFile(dir=target.parent):
            return
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def read_content(card: Path) -> dict[str, Any] | None:
    """Return what a card's file holds, None for one that cannot be read as a card."""
    try:
        content = yaml.safe_load(card.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return content if isinstance(content, dict) else None


def _runs_the_same(
    there: Mapping[str, Any] | None, content: Mapping[str, Any], folder: Path
) -> bool:
    if there is None:
        return False
    models = [one.get("model") for one in (there, content)]
    if not all(isinstance(model, str) for model in models):
        return False
    # A path may be written from the card's folder, or through a link; a reference stays as it is.
    return place_of(folder / str(models[0])) == place_of(folder / str(models[1]))


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that templates can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
