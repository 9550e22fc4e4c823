"""Models whose memory cannot go back at will: sliding-window attention and a recurrent state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from backends.llama_cpp.worker import LlamaCpp
from benchmarks.random_gguf import write_vocabulary
from tests.unit.llama_cpp.asking import Answer, chat, complete, loaded

WIDTH, VOCABULARY, LAYERS = 64, 600, 4
Tensor = tuple[str, tuple[int, ...]]


@pytest.fixture(scope="session")
def window_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers of four look 32 tokens back."""
    path = tmp_path_factory.mktemp("window") / "window.gguf"
    writer = start_file(path, "cohere2")
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_feed_forward_length(128)
    writer.add_sliding_window(32)
    writer.add_layer_norm_eps(1e-6)
    writer.add_logit_scale(1.0)
    finish_file(writer, window_tensors())
    return path


@pytest.fixture(scope="session")
def recurrent_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recurrent") / "recurrent.gguf"
    writer = start_file(path, "mamba")
    writer.add_head_count(0)
    writer.add_feed_forward_length(0)
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_inner_size(128)
    writer.add_ssm_state_size(16)
    writer.add_ssm_time_step_rank(4)
    writer.add_layer_norm_rms_eps(1e-6)
    finish_file(writer, recurrent_tensors())
    return path


def start_file(path: Path, architecture: str) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_vocab_size(VOCABULARY)
    write_vocabulary(writer, VOCABULARY)
    return writer


def finish_file(writer: gguf.GGUFWriter, tensors: Iterator[Tensor]) -> None:
    rng = np.random.default_rng(0)
    for name, shape in tensors:
        values = rng.standard_normal(shape) / shape[-1] ** (0.5 if len(shape) > 1 else 0)
        if name.endswith("ssm_a"):
            values = np.full(shape, -1.0)
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def window_tensors() -> Iterator[Tensor]:
    yield "token_embd.weight", (VOCABULARY, WIDTH)
    yield "output_norm.weight", (WIDTH,)
    for layer in range(LAYERS):
        yield f"blk.{layer}.attn_norm.weight", (WIDTH,)
        yield f"blk.{layer}.attn_q.weight", (WIDTH, WIDTH)
        yield f"blk.{layer}.attn_k.weight", (WIDTH // 2, WIDTH)
        yield f"blk.{layer}.attn_v.weight", (WIDTH // 2, WIDTH)
        yield f"blk.{layer}.attn_output.weight", (WIDTH, WIDTH)
        yield f"blk.{layer}.ffn_gate.weight", (128, WIDTH)
        yield f"blk.{layer}.ffn_up.weight", (128, WIDTH)
        yield f"blk.{layer}.ffn_down.weight", (WIDTH, 128)


def recurrent_tensors() -> Iterator[Tensor]:
    yield "token_embd.weight", (VOCABULARY, WIDTH)
    yield "output.weight", (VOCABULARY, WIDTH)
    yield "output_norm.weight", (WIDTH,)
    for layer in range(LAYERS):
        yield f"blk.{layer}.attn_norm.weight", (WIDTH,)
        yield f"blk.{layer}.ssm_in.weight", (256, WIDTH)
        yield f"blk.{layer}.ssm_conv1d.weight", (128, 4)
        yield f"blk.{layer}.ssm_conv1d.bias", (128,)
        yield f"blk.{layer}.ssm_x.weight", (36, 128)
        yield f"blk.{layer}.ssm_dt.weight", (128, 4)
        yield f"blk.{layer}.ssm_dt.bias", (128,)
        yield f"blk.{layer}.ssm_a", (128, 16)
        yield f"blk.{layer}.ssm_d", (128,)
        yield f"blk.{layer}.ssm_out.weight", (WIDTH, 128)


async def ask_again(backend: LlamaCpp, shared: int) -> Answer:
    """Fill the one sequence with a long text; answer one that shares `shared` letters of it."""
    first = await chat(backend, "x" * 300, max_tokens=60)
    assert first.usage.completion_tokens == 60
    return await chat(backend, "x" * shared + "something else")


@pytest.mark.parametrize(
    ("shared", "options", "reuses"),
    [
        (290, {"swa_full": False}, True),
        (20, {"swa_full": False}, False),
        (20, {"swa_full": True}, True),
    ],
)
async def test_a_sliding_window_is_reused_as_far_as_it_reaches(
    window_path: Path, shared: int, options: dict[str, Any], reuses: bool
) -> None:
    settings = {"max_concurrent": 1, "n_batch": 64, **options}
    async with loaded(window_path, **settings) as backend:
        answer = await ask_again(backend, shared)
    async with loaded(window_path, **settings) as backend:
        fresh = await chat(backend, "x" * shared + "something else")
    assert bool(answer.usage.cached_tokens) == reuses
    assert answer.text() == fresh.text()


async def test_a_recurrent_state_never_goes_back(recurrent_path: Path) -> None:
    async with loaded(recurrent_path, max_concurrent=1) as backend:
        answer = await ask_again(backend, 290)
    async with loaded(recurrent_path, max_concurrent=1) as backend:
        fresh = await chat(backend, "x" * 290 + "something else")
    assert answer.usage.cached_tokens == 0
    assert answer.text() == fresh.text()


async def test_a_recurrent_state_goes_on(recurrent_path: Path) -> None:
    """The last token that was chosen has not been decoded: a prompt of all before continues."""
    async with loaded(recurrent_path, max_concurrent=1) as backend:
        tokens = list(range(10, 30))
        await complete(backend, tokens, max_tokens=1)
        longer = await complete(backend, [*tokens, 40, 41])
    async with loaded(recurrent_path, max_concurrent=1) as backend:
        fresh = await complete(backend, [*tokens, 40, 41])
    assert longer.usage.cached_tokens == len(tokens)
    assert longer.text() == fresh.text()


async def test_choices_copy_a_recurrent_state(recurrent_path: Path) -> None:
    async with loaded(recurrent_path) as backend:
        answer = await chat(backend, n=3)
    assert len({answer.text(index) for index in range(3)}) == 1
