"""A tiny model with random weights, loaded by the backend itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.llama_cpp.worker import LlamaCpp
from benchmarks.random_gguf import TINY, write_random_gguf
from tests.unit.llama_cpp.asking import loaded


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_random_gguf(path, TINY)
    return path


@pytest.fixture
async def backend(model_path: Path) -> AsyncIterator[LlamaCpp]:
    async with loaded(model_path) as backend:
        yield backend
