"""YAML written for LocalAI: several documents, in which names are texts, also those in digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from localai.cards.importers.imported import CannotImport
from localai.cards.yaml_source import Form
from localai.cards.yaml_source import read_documents as read


class _Loader(yaml.SafeLoader):
    # Go's reader, and so LocalAI's, knows this escape too.
    ESCAPE_REPLACEMENTS = yaml.SafeLoader.ESCAPE_REPLACEMENTS | {"'": "'"}  # type: ignore[misc]


_LOCALAI = Form(
    what="model card",
    empty="is empty",
    second="holds a second document",
    loader=_Loader,
    texts=frozenset({"name", "alias", "backend", "model", "voice", "mmproj", "roles"}),
)


def read_documents(path: Path) -> list[Any]:
    """Return the documents of a file as plain data; raises CannotImport."""
    source = read(path, _LOCALAI)
    for problem in source.problems[:1]:
        raise CannotImport(f"{problem.message}.", path=str(path), line=problem.line)
    documents: list[Any] = source.data
    return documents
