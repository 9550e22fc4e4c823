"""Galleries that the tests share, and a web of files by address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from localai.gallery.entry import Entry
from localai.gallery.index import Index, index_of
from localai.gallery.yaml_text import read_text
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder
from localai.store.errors import NotInRegistry

BACKENDS = read_manifests(builtin_backends_folder())
SHA = "0123456789abcdef" * 4

ENTRY = f"""\
models:
  - name: tiny-chat
    description: A tiny model.
    licence: mit
    capabilities: [chat, completion]
    backend: llama_cpp
    files:
      - path: tiny.gguf
        uri: hf://org/tiny/tiny.gguf
        sha256: {SHA}
"""


def gallery(text: str, name: str = "mine") -> Index:
    """Return the gallery of `text`, as if it came from `gallery.yaml`."""
    return index_of(read_text(dedent(text), Path("gallery.yaml")), name)


def entry(**changes: object) -> Entry:
    """Return an entry of one GGUF file, with `changes`."""
    base: dict[str, object] = {
        "name": "tiny-chat",
        "capabilities": ["chat"],
        "backend": "llama_cpp",
        "files": [{"path": "tiny.gguf", "uri": "hf://org/tiny/tiny.gguf", "sha256": SHA}],
    }
    return Entry.model_validate(base | changes)


class Web:
    """Files by address, and which of them were asked for."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []

    def __call__(self, url: str) -> str:
        self.asked.append(url)
        if url not in self.files:
            raise NotInRegistry(f"{url} does not exist: it answered 404.")
        return dedent(self.files[url])
