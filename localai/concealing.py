"""Addresses as others may see them: without passwords and tokens that are written into them.

In a sentence an address loses its whole query: whatever it says may be a token, as signed addresses
have a dozen names for it. Where an address says which file is meant, as in records and lists, the
query is a part of that, and only those of its values are hidden that are secret by their names.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>|]+")
_LOGIN = re.compile(r"(?<=://)[^/?#]*@")
"""Up to the last `@` before the path: a password may have one of its own.

A `/` in a password has to be written as %2F: as it is it begins the path, for every client.
"""
_QUERY = re.compile(r"[?#].+")
_ENDS = ".,;:)]}"
"""What follows an address in a sentence rather than being part of it."""
_SECRETS = frozenset({
    "accesskey", "accesstoken", "apikey", "auth", "authorization", "credential", "credentials",
    "jwt", "key", "passwd", "password", "policy", "pwd", "secret", "sig", "signature", "token",
})  # fmt: skip
"""Words in the names of a query's values that let in whoever has them, as in signed addresses."""
_WORDS = re.compile(r"[-_.]|(?<=[a-z])(?=[A-Z])")


def concealed(text: str) -> str:
    """Return `text` with the logins and the queries of all addresses in it left out."""
    return _ADDRESS.sub(lambda found: _in_a_sentence(found[0]), text)


def all_concealed(value: Any) -> Any:
    """Return a value of JSON with every text in it concealed."""
    if isinstance(value, str):
        return concealed(value)
    if isinstance(value, dict):
        return {concealed(str(key)): all_concealed(one) for key, one in value.items()}
    return [all_concealed(one) for one in value] if isinstance(value, list | tuple) else value


def shown_url(url: str) -> str:
    """Return an address that still says which file is meant, without login and known secrets.

    It is what records know a file by, so an address within its path stays as it is.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:  # no address at all: nobody knows what in it is secret
        return f"{url.partition(':')[0]}:…"
    query = "&".join(_without_secret(one) for one in parts.query.split("&"))
    return urlunsplit(parts._replace(netloc=host, query=query))


def _in_a_sentence(text: str) -> str:
    address = text.rstrip(_ENDS)
    end = text[len(address) :]
    return _QUERY.sub(lambda found: f"{found[0][0]}…", _LOGIN.sub("", address)) + end


def _without_secret(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    is_secret = equals and any(word.lower() in _SECRETS for word in _WORDS.split(name))
    return f"{name}=***" if is_secret else pair
