"""One gateway with echo models for all tests of a folder, which leave no traces in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localai.protocol.capabilities import Capability
from tests.gateways import RunningGateway

CARDS = {
    "org-name": "name: org/name\nbackend: echo\n",
    "narrow": "name: narrow\nbackend: echo\nlimits: {max_concurrent: 1, queue: 0}\n",
    "blind": "name: blind\nbackend: echo\ncapabilities: [chat, completion]\n",
    "brief": "name: brief\nbackend: echo\ndefaults: {max_tokens: 2}\n",
}
"""Beside `echo`, which ships with the product."""


@contextmanager
def echo_gateway(folder: Path, **settings: object) -> Iterator[RunningGateway]:
    """Start a gateway whose default model is `echo`, away from the caller's home and settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("LOCALAI_", "OPENAI_", "XDG_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        chosen = {f"default_{capability}": "echo" for capability in Capability} | settings
        gateway = RunningGateway(folder, **chosen)
        for name, text in CARDS.items():
            gateway.add_card(name, text)
        with gateway:
            yield gateway
