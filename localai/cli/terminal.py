"""What may be shown in a person's terminal."""

from __future__ import annotations

import re

# Text from models, callers and files must not move the cursor, recolour or rename the terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ALL_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return `text` without the control characters that would steer a terminal."""
    return _CONTROLS.sub("", text)


def on_one_line(text: str) -> str:
    """Return `text` with every control character, line ends too, in the form `\\x1b`."""
    return _ALL_CONTROLS.sub(
        lambda found: _ESCAPES.get(found[0]) or f"\\x{ord(found[0]):02x}", text
    )


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
