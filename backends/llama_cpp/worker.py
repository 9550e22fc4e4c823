"""The backend as the worker host sees it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

import llama_cpp

from backends.llama_cpp.embedding import TextModel, create_embedder
from backends.llama_cpp.engine.context import Context
from backends.llama_cpp.engine.logs import route_logs
from backends.llama_cpp.engine.loop import Engine
from backends.llama_cpp.engine.media import Projector
from backends.llama_cpp.engine.model import Model, load_model
from backends.llama_cpp.engine.requests import Generation
from backends.llama_cpp.engine.steps import Stepper
from backends.llama_cpp.options import Options
from backends.llama_cpp.prompts import Prompt, PromptWriter
from backends.llama_cpp.sampling import SamplingParameters
from localai.errors import ContextLengthExceeded, LoadFailed
from localai.protocol.capabilities import Capability
from localai.protocol.embeddings import EmbeddingRequest
from localai.protocol.events import Event, Finished, Usage
from localai.protocol.launch import LaunchSpec, WorkerInfo
from localai.protocol.requests import ChatRequest, CompletionRequest, Sampling
from localai.worker.backend import Backend
from localai.worker.embedder import Embedder
from localai.worker.results import Embeddings

log = logging.getLogger(__name__)

_COMMON = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty",
        "repeat_penalty", "seed", "logit_bias", "stop", "max_tokens", "n", "logprobs",
    }
)  # fmt: skip


class LlamaCpp(Backend):
    """Language models on llama.cpp."""

    honours: ClassVar[dict[Capability, frozenset[str]]] = {
        Capability.CHAT: _COMMON | {"max_completion_tokens", "top_logprobs"},
        Capability.COMPLETION: _COMMON,
        Capability.EMBEDDING: frozenset({"dimensions"}),
    }

    def __init__(self, spec: LaunchSpec) -> None:
        super().__init__(spec)
        self._options = Options.parse(spec.options)
        self._embedder: Embedder | None = None

    async def load(self) -> WorkerInfo:
        """Load the model and start the engine: for embeddings if the card says so, else for text.

        Raises LoadFailed for a card that wants both: the two need contexts of different kinds.
        """
        if self.spec.model is None:
            raise LoadFailed("The card names no model: set `model` to a GGUF file.")
        route_logs()
        if Capability.EMBEDDING in self.spec.capabilities:
            return await self._load_embedder(self.spec.model)
        await asyncio.to_thread(self._load, self.spec.model)
        self._engine.start()
        capabilities = [Capability.CHAT, Capability.COMPLETION, *self._senses()]
        return self._info(
            capabilities, self._context.capacity, self._context.sequences, self._model.size
        )

    async def _load_embedder(self, path: Path) -> WorkerInfo:
        if set(self.spec.capabilities) != {Capability.EMBEDDING}:
            raise LoadFailed(
                "One worker makes either text or embeddings: write a card of its own with "
                "`capabilities: [embedding]` for the same file."
            )
        self._text_model = await asyncio.to_thread(TextModel, path, self._options)
        self._embedder = create_embedder(self._text_model, self._options)
        self._embedder.start()
        return self._info(
            [Capability.EMBEDDING],
            self._text_model.window,
            self.spec.max_concurrent,
            self._text_model.size,
        )

    def _info(
        self, capabilities: list[Capability], context: int, concurrent: int, size: int
    ) -> WorkerInfo:
        return WorkerInfo(
            name=self.spec.name,
            backend="llama_cpp",
            capabilities=capabilities,
            context_length=context,
            max_concurrent=concurrent,
            footprint={"host": _resident_bytes() or size},
            build={
                "llama_cpp_python": llama_cpp.__version__,
                "llama.cpp": llama_cpp.llama_version().decode(),
            },
        )

    async def unload(self) -> None:
        """Stop the engine and free the memory."""
        if self._embedder is not None:
            await asyncio.to_thread(self._embedder.stop)
            self._text_model.close()
            return
        await asyncio.to_thread(self._engine.stop)
        if self._projector is not None:
            await asyncio.to_thread(self._projector.close)
        self._context.close()
        self._model.close()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer a conversation."""
        prompt = await asyncio.to_thread(self._prompts.chat, request.messages)
        top = (request.top_logprobs or 0) if request.logprobs else None
        async with aclosing(self._answer([prompt], request, top)) as events:
            async for event in events:
                yield event

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Continue prompts."""
        prompts = [
            await asyncio.to_thread(self._prompts.completion, prompt)
            for prompt in request.prompts()
        ]
        async with aclosing(self._answer(prompts, request, request.logprobs)) as events:
            async for event in events:
                yield event

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the vector of each input."""
        if self._embedder is None:
            raise self._cannot(Capability.EMBEDDING)
        return await self._embedder.embed(request)

    def _senses(self) -> list[Capability]:
        if self._projector is None:
            return []
        senses = {
            Capability.VISION: self._projector.sees, Capability.HEARING: self._projector.hears,
        }  # fmt: skip
        return [capability for capability, has in senses.items() if has]

    def metrics(self) -> dict[str, float]:
        """Return the engine's figures."""
        return self._engine.figures() if self._embedder is None else self._embedder.figures()

    def _load(self, path: Path) -> None:
        self._model: Model = load_model(path, self._options)
        self._context = Context(self._model, self._options, self.spec.max_concurrent)
        self._projector = self._load_projector()
        self._prompts = PromptWriter(self._model, self._options.chat_template, self._projector)
        self._sampling = SamplingParameters.from_metadata(self._model.metadata)
        stepper = Stepper(
            self._context,
            self._model.vocabulary,
            prompt_chunk=self._options.prompt_chunk or self._context.batch_size,
            projector=self._projector,
        )
        self._engine = Engine(stepper, on_death=_end_process)

    def _load_projector(self) -> Projector | None:
        if self._options.mmproj is None:
            return None
        path = Path(self._options.mmproj)
        return Projector(path, self._model, self._options, ubatch=self._context.ubatch_size)

    async def _answer(
        self, prompts: Sequence[Prompt], request: Sampling, top: int | None
    ) -> AsyncGenerator[Event, None]:
        generations = self._generations(prompts, request, top)
        if request.answer_limit() == 0:
            for event in _empty_answer(generations, prompts):
                yield event
            return
        await self._fill_spans(prompts)
        stream = self._engine.submit(generations)
        try:
            async for event in stream:
                yield event
        finally:
            if not stream.ended:
                self._engine.cancel(stream)

    async def _fill_spans(self, prompts: Sequence[Prompt]) -> None:
        """Have all pictures and recordings encoded, one by one, so that a caller may leave."""
        for span in (span for prompt in prompts for span in prompt.spans.values()):
            assert self._projector is not None
            await self._projector.fill(span)

    def _generations(
        self, prompts: Sequence[Prompt], request: Sampling, top: int | None
    ) -> list[Generation]:
        for prompt in prompts:
            if len(prompt.tokens) >= self._context.capacity:
                param = "prompt" if isinstance(request, CompletionRequest) else "messages"
                raise ContextLengthExceeded(len(prompt.tokens), self._context.capacity, param=param)
        sampling = self._sampling.overridden(request, self._model.vocabulary.size)
        choices = request.n or 1
        return [
            Generation(
                prompt=prompt.tokens,
                spans=prompt.spans,
                sampling=sampling.for_choice(choice),
                stops=request.stops(),
                limit=request.answer_limit(),
                top_logprobs=top,
                index=number * choices + choice,
            )
            for number, prompt in enumerate(prompts)
            for choice in range(choices)
        ]


def _empty_answer(generations: Sequence[Generation], prompts: Sequence[Prompt]) -> list[Event]:
    """Return the answer of no tokens that somebody asked for."""
    ends: list[Event] = [Finished("length", generation.index) for generation in generations]
    return [*ends, Usage(sum(len(prompt.tokens) for prompt in prompts), 0)]


def _end_process() -> None:
    # The host's own way to end: running answers still get their error before the process does.
    os.kill(os.getpid(), signal.SIGTERM)


def _resident_bytes() -> int | None:
    """Return the memory that this process holds, None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
