"""Addresses as others may see them: without passwords and tokens that are written into them."""

from __future__ import annotations

import re
from typing import Any

_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>|]+")
_LOGIN = re.compile(r"(?<=://)[^/?#@]*@")
_ENDS = ".,;:)]}"
"""What follows an address in a sentence rather than being part of it."""


def concealed(text: str) -> str:
    """Return `text` with the logins and the queries of all addresses in it left out."""
    return _ADDRESS.sub(lambda found: _without_secrets(found[0]), text)


def all_concealed(value: Any) -> Any:
    """Return a value of JSON with every text in it concealed."""
    if isinstance(value, str):
        return concealed(value)
    if isinstance(value, dict):
        return {concealed(str(key)): all_concealed(one) for key, one in value.items()}
    return [all_concealed(one) for one in value] if isinstance(value, list | tuple) else value


def _without_secrets(address: str) -> str:
    plain = _LOGIN.sub("", address)
    head, mark, query = plain.partition("?")
    # Whatever a query says may be a token: signed addresses have a dozen names for it.
    end = query[len(query.rstrip(_ENDS)) :]
    return f"{head}?…{end}" if mark and query.rstrip(_ENDS) else plain
