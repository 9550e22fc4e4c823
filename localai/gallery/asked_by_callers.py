"""What a caller over HTTP may not ask for: files of this machine, and code that would run here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from localai.cards.resolved import Backends
from localai.errors import InvalidReference, InvalidRequest
from localai.references import (
    FileReference,
    NameReference,
    PackageReference,
    Reference,
    parse_reference,
)
from localai.store.errors import UnsafeFile
from localai.store.shortnames import spelled_out

_HERE = re.compile(r"(file|package):", re.IGNORECASE)
_ELSEWHERE = re.compile(r"(https?|hf|huggingface|ollama|oci|docker|github):", re.IGNORECASE)
_PATH = re.compile(r"([A-Za-z_]+:)?\s*[/~\\]|[A-Za-z]:\\|(.*[/\\:])?\.\.?([/\\]|$)", re.DOTALL)
"""A path that leaves its folder; LocalAI's options are written `key:value`."""
_TEXTS = frozenset({
    "description", "usage", "system_prompt", "stopwords", "stop", "template", "roles",
    "cutstrings", "extract_regex", "trimspace", "trimsuffix", "function", "reasoning", "grammar",
    "negative_prompt", "chat_template", "chat_template_kwargs", "regex", "name", "license",
})  # fmt: skip
"""Keys whose values are texts, in which a slash says nothing."""


def caller_reference(text: str, param: str) -> Reference:
    """Return what a caller's reference names, which lies elsewhere; raises InvalidRequest."""
    try:
        reference = parse_reference(spelled_out(text))
    except InvalidReference as error:
        raise InvalidReference(error.message, param=param) from None
    if isinstance(reference, FileReference | PackageReference):
        raise _of_this_machine(text, param)
    if isinstance(reference, NameReference):
        raise InvalidReference(
            f"'{text}' is no short name and no address: give 'id' for a gallery's model, or write "
            "where it is: hf://org/repo, ollama://name, oci://host/repo:tag or https://….",
            param=param,
        )
    return reference


def refuse_paths(value: Any, param: str) -> None:
    """Raise InvalidRequest where a configuration names a file of this machine.

    What it names is relative to the model's folder, or an address.
    """
    for text in _values(value):
        if _HERE.match(text) or (_PATH.match(text) and not _ELSEWHERE.match(text)):
            raise _of_this_machine(text, param)


def refuse_code(config: Mapping[str, Any], backends: Backends, param: str) -> None:
    """Raise UnsafeFile where a configuration would let a model run programs of its own."""
    names = {"trust"} | {
        name
        for _, manifest in backends.values()
        for name, spec in manifest.options.items()
        if spec.needs_trust
    }
    if found := next((name for name in _switched_on(config) if name in names), None):
        raise UnsafeFile(
            f"'{found}' would let the model run programs of its own here, which no configuration "
            "from elsewhere may switch on: install it without, and if you trust it, write it and "
            "`trust: true` into its card yourself.",
            param=param,
        )


def _values(value: Any, key: str = "") -> Iterator[str]:
    if key in _TEXTS:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _values(one, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _values(one)


def _switched_on(value: Any) -> Iterator[str]:
    """Yield the keys that are set to something, also those in lists of `key:value`."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if one not in (False, None, "", "false"):
                yield str(name)
            yield from _switched_on(one)
    elif isinstance(value, list | tuple):
        for one in value:
            if isinstance(one, str) and not one.strip().lower().endswith(":false"):
                yield one.partition(":")[0].strip()
            yield from _switched_on(one)


def _of_this_machine(text: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{text}' is a file of this machine, which nobody may name over HTTP: `localai pull` "
        "and cards can.",
        param=param,
    )
