"""What a model's own files say: which backend would run it, as what, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localai.protocol.capabilities import Capability


@dataclass(frozen=True)
class Described:
    """A model as its files describe it."""

    backend: str | None
    """None = no backend here runs it; `reason` says what to do instead."""
    reason: str
    """A sentence: why this backend, or why none."""
    capabilities: tuple[Capability, ...] = ()
    """What it can do; empty = what its backend usually does."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the backend that the files ask for."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Sampling that the files recommend, by the names of a request's parameters."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    """What the files call the model, for people."""
    chat_template: str | None = None
    """The file's own template, in Jinja."""
    context: int | None = None
    """Tokens that it was trained for."""
    model: str | None = None
    """The file or folder that the backend is given, where it is not the described path."""
    speakers: tuple[str, ...] = ()
    """Names and numbers of a voice's speakers."""
    is_projector: bool = False
    """Whether it is no model, but the eyes or ears of another."""
    is_trusted: bool = False
    """Whether it has pickles that are taken because somebody said so."""
    notes: tuple[str, ...] = ()


def not_run(reason: str, **details: Any) -> Described:
    """Return a model that no backend here runs."""
    return Described(None, reason, **details)
