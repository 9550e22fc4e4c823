"""The backend as the worker host sees it."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from backends.sentence_transformers.model import TextModel, load_model
from backends.sentence_transformers.options import Options
from localai.errors import LoadFailed
from localai.protocol.capabilities import Capability
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.worker.backend import Backend
from localai.worker.embedder import Embedder
from localai.worker.long_input import LongInput
from localai.worker.results import Embeddings
from localai.worker.shared_batches import BatchLimits

_PARTS = ("sentence-transformers", "transformers", "torch")


class SentenceTransformers(Backend):
    """Embedding models on sentence-transformers."""

    honours: ClassVar[dict[Capability, frozenset[str]]] = {
        Capability.EMBEDDING: frozenset({"dimensions"})
    }

    def __init__(self, spec: LaunchSpec) -> None:
        super().__init__(spec)
        self._options = Options.parse(spec.options)

    async def load(self) -> WorkerInfo:
        """Load the model and compute one text, so that the first call finds all in place."""
        if self.spec.model is None:
            raise LoadFailed("The card names no model: set `model` to a model's folder.")
        model = await asyncio.to_thread(load_model, self.spec.model, self._options)
        await asyncio.to_thread(_warm_up, model)
        self._embedder = _embedder(model, self._options)
        self._embedder.start()
        return WorkerInfo(
            name=self.spec.name,
            backend="sentence_transformers",
            capabilities=[Capability.EMBEDDING],
            context_length=model.window,
            max_concurrent=self.spec.max_concurrent,
            footprint={"host": _resident_bytes()},
            build={part: version(part) for part in _PARTS},
        )

    async def unload(self) -> None:
        """Stop to compute."""
        await asyncio.to_thread(self._embedder.stop)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the vector of each input."""
        return await self._embedder.embed(request)

    def metrics(self) -> dict[str, float]:
        """Return how many texts run and what was counted."""
        return self._embedder.figures()


def _embedder(model: TextModel, options: Options) -> Embedder:
    limits = BatchLimits(options.max_batch, options.max_batch_tokens, is_padded=True)
    rule = LongInput(options.long_input, options.max_input)
    return Embedder(model, limits, rule, normalize=options.normalize, prefix=model.prefix)


def _warm_up(model: TextModel) -> None:
    model.compute([model.frame.around(model.tokenize(["warm"])[0])])


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
