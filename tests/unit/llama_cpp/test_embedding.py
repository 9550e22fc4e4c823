from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from backends.llama_cpp.embedding import TextModel
from backends.llama_cpp.worker import LlamaCpp
from localai.errors import ContextLengthExceeded, InvalidRequest, LoadFailed
from localai.protocol.capabilities import Capability
from localai.protocol.embeddings import EmbeddingRequest
from localai.settings import builtin_cards_folder
from tests.unit.gathering import Gathering
from tests.unit.llama_cpp.asking import backend_for
from tests.unit.llama_cpp.bert_gguf import CLS, SEP, write_random_bert

STARTER = builtin_cards_folder().parent / "chat" / "starter-chat.gguf"
TEXTS = [
    "hello world",
    "king",
    "the queen banana hello world the king",
    "banana " * 40,
    "abc",
    "a " * 99,
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "bert.gguf"
    write_random_bert(path, pooling=gguf.PoolingType.MEAN)
    return path


@asynccontextmanager
async def embedding(path: Path, **options: Any) -> AsyncIterator[LlamaCpp]:
    backend = backend_for(path, **options)
    backend.spec = backend.spec.model_copy(update={"capabilities": [Capability.EMBEDDING]})
    info = await backend.load()
    assert info.capabilities == [Capability.EMBEDDING]
    try:
        yield backend
    finally:
        await backend.unload()


async def vectors(backend: LlamaCpp, asked: Any) -> NDArray[np.float32]:
    return (await backend.embed(EmbeddingRequest(input=asked))).vectors


async def test_a_bert_reads_texts_between_its_special_tokens(bert: Path) -> None:
    async with embedding(bert) as backend:
        found = await backend.embed(EmbeddingRequest(input=["hello world", "king"]))
        assert found.vectors.shape == (2, 32)
        np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
        assert found.tokens == 4 + 3
        hello, world = backend._text_model.tokenize(["hello world"])[0]
        for tokens in ([hello, world], [CLS, hello, world, SEP]):
            same = await vectors(backend, tokens)
            np.testing.assert_allclose(same[0], found.vectors[0], atol=1e-4)


@pytest.mark.parametrize("pooling", ["auto", "cls", "last"])
async def test_a_berts_vector_is_nearly_the_same_in_a_batch(bert: Path, pooling: str) -> None:
    async with embedding(bert, pooling=pooling) as backend:
        alone = np.concatenate([await vectors(backend, text) for text in TEXTS])
        together = await vectors(backend, TEXTS)
    # Its GELU comes from a half-precision table, where the last bit of a sum may tip a number over.
    assert np.abs(together - alone).max() < 1e-3
    assert (together * alone).sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "last"])
async def test_a_llamas_vector_is_nearly_the_same_in_a_batch(
    pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathering = Gathering(TextModel, monkeypatch)
    async with embedding(STARTER, pooling=pooling) as backend:
        alone = np.concatenate([await vectors(backend, text) for text in TEXTS])
        calls = [vectors(backend, text) for text in TEXTS]
        together = await gathering.answers(backend.metrics, calls)
        assert backend.metrics()["batches_total"] < 2 * len(TEXTS)
    # Activations are rounded to 8 bits for the quantised weights, which tips single numbers over.
    assert np.abs(np.concatenate(together) - alone).max() < 2e-3
    assert (np.concatenate(together) * alone).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (alone[0] @ alone[1:].T < 0.99).all()


async def test_poolings_differ(bert: Path) -> None:
    seen = []
    for pooling in ("mean", "cls", "last"):
        async with embedding(bert, pooling=pooling) as backend:
            seen.append((await vectors(backend, "the king"))[0])
    assert max(a @ b for a, b in itertools.pairwise(seen)) < 0.999


async def test_long_texts_by_the_cards_choice(bert: Path) -> None:
    tokens = [5 + n % 20 for n in range(25)]
    async with embedding(bert, n_ctx=12) as backend:
        windows = await vectors(backend, [tokens[:10], tokens[10:20], tokens[20:]])
        with pytest.raises(ContextLengthExceeded, match="10 tokens, but 'input' has 25"):
            await vectors(backend, tokens)
    async with embedding(bert, n_ctx=12, long_input="windows") as backend:
        (joined,) = await vectors(backend, tokens)
    mean = np.average(windows, axis=0, weights=[10, 10, 5])
    np.testing.assert_allclose(joined, mean / np.linalg.norm(mean), atol=1e-4)


async def test_a_window_beyond_the_learned_positions_is_refused(bert: Path) -> None:
    async with embedding(bert, n_ctx=128):
        pass
    with pytest.raises(LoadFailed, match=r"`options\.n_ctx` to 128 at most"):
        async with embedding(bert, n_ctx=129):
            pass


async def test_token_ids_beyond_the_vocabulary(bert: Path) -> None:
    async with embedding(bert) as backend:
        with pytest.raises(InvalidRequest, match="ids 0 to"):
            await vectors(backend, [5, 100_000])


async def test_lengths_may_stay(bert: Path) -> None:
    async with embedding(bert, normalize=False) as backend:
        assert np.linalg.norm(await vectors(backend, "king")) > 1.5


async def test_rerankers_and_files_that_do_not_pool_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for pooling, message in ((gguf.PoolingType.RANK, "reranker"), (None, "set `options.pooling`")):
        write_random_bert(path, pooling=pooling)
        with pytest.raises(LoadFailed, match=message):
            async with embedding(path):
                pass


async def test_text_and_embeddings_take_two_cards(bert: Path) -> None:
    backend = backend_for(bert)
    both = [Capability.CHAT, Capability.EMBEDDING]
    backend.spec = backend.spec.model_copy(update={"capabilities": both})
    with pytest.raises(LoadFailed, match="a card of its own"):
        await backend.load()


async def test_an_embedding_model_does_not_chat(bert: Path) -> None:
    with pytest.raises(LoadFailed, match="for embeddings"):
        await backend_for(bert).load()
