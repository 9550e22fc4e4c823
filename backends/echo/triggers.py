"""Faults and behaviour on request: `[[delay=0.5]]` in a prompt, or the same names as options."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from localai.errors import EngineFailed, InvalidRequest, nearest

Phase = Literal["load", "before", "mid"]
PHASES = ("load", "before", "mid")
_TRIGGER = re.compile(r"\[\[(\w+)(?:=([^\]]*))?\]\]\s*")


@dataclass(frozen=True, slots=True)
class Triggers:
    """What shall happen; the same set serves card options and prompts."""

    load_delay: float = 0.0
    delay: float = 0.0
    slow: float = 0.0
    fail: str | None = None
    crash: str | None = None
    words: int | None = None
    tool: bool = False

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Self:
        """Return the triggers that the card's options set."""
        known = {field.name for field in fields(cls)}
        return cls(**{k: v for k, v in options.items() if k in known and v is not None})

    def __post_init__(self) -> None:
        where, _, name = (self.crash or "before").partition(":")
        if where not in PHASES or (name and name not in signal.Signals.__members__):
            raise ValueError(f"crash={self.crash}")
        if self.fail is not None and self.fail not in PHASES:
            raise ValueError(f"fail={self.fail}")

    def strike(self, phase: Phase) -> None:
        """Fail or crash if that is asked for `phase`."""
        if self.fail == phase:
            raise EngineFailed(f"echo was asked to fail ({phase}).", code=f"echo_fail_{phase}")
        where, _, name = (self.crash or "").partition(":")
        if where == phase:
            os.kill(os.getpid(), signal.Signals[name or "SIGKILL"])


def split_triggers(text: str, base: Triggers) -> tuple[str, Triggers]:
    """Return `text` without its triggers, and `base` with them applied.

    Raises InvalidRequest for a trigger that does not exist or has no readable value.
    """
    asked = {name: _read(name, value) for name, value in _TRIGGER.findall(text)}
    values = {field.name: getattr(base, field.name) for field in fields(Triggers)}
    rest = _TRIGGER.sub("", text).strip() if asked else text
    try:
        return rest, Triggers(**(values | asked))
    except ValueError as error:
        raise InvalidRequest(f"echo cannot read the trigger '{error}'.") from None


def _read(name: str, value: str) -> Any:
    kinds: dict[str, Any] = {
        "delay": float, "slow": float, "words": int, "fail": str, "crash": str,
        "tool": lambda _: True,
    }  # fmt: skip
    if name not in kinds:
        raise InvalidRequest(f"echo knows no trigger '{name}'.{nearest(name, kinds)}")
    try:
        return kinds[name](value)
    except ValueError:
        raise InvalidRequest(f"echo cannot read the trigger '{name}={value}'.") from None
