from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer

from backends.sentence_transformers.model import TextModel
from localai.errors import ContextLengthExceeded, EngineFailed
from localai.protocol.embeddings import EmbeddingRequest
from tests.unit.gathering import Gathering
from tests.unit.sentence_transformers.conftest import loaded, vectors

WORDS = "the a king queen river house winter runs sleeps under 42 naïve über 東京 ok, (so) far"
SAME = 1e-6


def texts_of_odd_lengths() -> list[str]:
    chance = random.Random(5)
    lengths = [1, 1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 53, 61, 97, 101, 139, 151]
    return [" ".join(chance.choices(WORDS.split(), k=length)) for length in lengths]


async def test_a_text_has_the_same_vector_alone_and_in_a_batch(model_path: Path) -> None:
    texts = texts_of_odd_lengths()
    async with loaded(model_path) as backend:
        alone = np.concatenate([await vectors(backend, text) for text in texts])
        batches = backend.metrics()["batches_total"]
        together = await vectors(backend, texts)
        assert backend.metrics()["batches_total"] - batches < len(texts) / 2
        shuffled = await asyncio.gather(*(vectors(backend, text) for text in reversed(texts)))
    assert np.abs(together - alone).max() <= SAME
    assert np.abs(np.concatenate(shuffled[::-1]) - alone).max() <= SAME


async def test_vectors_are_those_of_the_library(model_path: Path) -> None:
    texts = texts_of_odd_lengths()
    async with loaded(model_path) as backend:
        ours = await vectors(backend, texts)
    theirs = SentenceTransformer(str(model_path), device="cpu").encode(texts)
    assert np.abs(ours - theirs).max() <= SAME


async def test_calls_that_wait_share_batches(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathering = Gathering(TextModel, monkeypatch)
    async with loaded(model_path) as backend:
        calls = [vectors(backend, f"text number {n}") for n in range(64)]
        await gathering.answers(backend.metrics, calls)
        assert backend.metrics()["texts_total"] == 64
        assert backend.metrics()["batches_total"] <= 16


async def test_long_texts_by_the_cards_choice(model_path: Path) -> None:
    tokens = [2000 + n for n in range(25)]
    async with loaded(model_path, n_ctx=12) as backend:
        windows = await vectors(backend, [tokens[:10], tokens[10:20], tokens[20:]])
        with pytest.raises(ContextLengthExceeded, match="10 tokens, but 'input' has 25"):
            await vectors(backend, tokens)
    async with loaded(model_path, n_ctx=12, long_input="truncate") as backend:
        found = await backend.embed(EmbeddingRequest(input=[tokens]))
        assert np.abs(found.vectors[0] - windows[0]).max() <= SAME
        assert found.tokens == 27
    async with loaded(model_path, n_ctx=12, long_input="windows", max_input=25) as backend:
        (joined,) = await vectors(backend, tokens)
        mean = np.average(windows, axis=0, weights=[10, 10, 5])
        assert np.abs(joined - mean / np.linalg.norm(mean)).max() <= SAME
        mixed = await vectors(backend, [tokens, [2000], tokens])
        assert np.abs(mixed[[0, 2]] - joined).max() <= SAME
        # Nothing but spaces is a text of no tokens; it can stand beside one of several windows.
        spaces = await vectors(backend, [" ", "word " * 20])
        assert np.isfinite(spaces).all()
        with pytest.raises(ContextLengthExceeded, match=r"25 tokens, but 'input\[1\]' has 26"):
            await vectors(backend, [[1], [*tokens, 5]])


async def test_vectors_may_stay_as_the_model_makes_them(model_path: Path, tmp_path: Path) -> None:
    folder = without_normalizing(model_path, tmp_path)
    async with loaded(folder, normalize=False) as backend:
        found = await backend.embed(EmbeddingRequest(input="hello"))
    assert not found.is_normalized
    assert np.linalg.norm(found.vectors) > 1.5
    async with loaded(folder) as backend:
        assert np.linalg.norm(await vectors(backend, "hello")) == pytest.approx(1, abs=1e-6)


def without_normalizing(model: Path, folder: Path) -> Path:
    """Return a folder with the same model, whose modules end with the pooling."""
    for path in model.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "modules.json").unlink()
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"))
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    return folder


async def test_a_prompt_goes_before_every_text(model_path: Path) -> None:
    async with loaded(model_path) as backend:
        written_out = await vectors(backend, "query: king")
    async with loaded(model_path, prompt="query: ") as backend:
        assert np.abs(await vectors(backend, "king") - written_out).max() <= SAME


async def test_a_prompt_goes_before_token_ids_too(model_path: Path) -> None:
    tokens = AutoTokenizer.from_pretrained(str(model_path))("king")["input_ids"]
    assert len(tokens) == 3  # with the special ones around it
    async with loaded(model_path, prompt="query: ") as backend:
        text = await backend.embed(EmbeddingRequest(input="king"))
        ids = await backend.embed(EmbeddingRequest(input=[tokens, tokens[1:-1]]))
    assert np.abs(ids.vectors - text.vectors).max() <= SAME
    assert ids.tokens == 2 * text.tokens


async def test_half_precision_is_near(model_path: Path) -> None:
    async with loaded(model_path) as backend:
        exact = await vectors(backend, "hello world")
    async with loaded(model_path, dtype="bfloat16") as backend:
        rough = await vectors(backend, "hello world")
    assert rough.dtype == np.float32
    assert 1e-6 < np.abs(rough - exact).max() < 0.02


async def test_numbers_that_are_none_are_an_error(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextModel, "compute", lambda self, batch: np.full((len(batch), 4), np.nan))
    async with loaded(model_path) as backend:
        with pytest.raises(EngineFailed, match="not finite"):
            await vectors(backend, "hello")
