from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import pytest

from backends.llama_cpp.engine.model import Model
from benchmarks.random_gguf import TINY, write_random_gguf
from localai.errors import LoadFailed
from localai.protocol.requests import ChatRequest
from tests.unit.llama_cpp.asking import backend_for, chat, collect, complete, loaded


async def load(path: Path, **options: Any) -> None:
    async with loaded(path, **options):
        pass


async def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="No such file"):
        await load(tmp_path / "none.gguf")


async def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(LoadFailed, match=r"not a GGUF file: it starts with b'<!DO'"):
        await load(path)


async def test_the_library_for_the_processor_comes_before_the_model(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a build that has several, no model loads until one is chosen."""
    done: list[str] = []

    def recorded(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            done.append(name)
            return do(*values)

        return call

    steps = ["llama_backend_init", "llama_model_load_from_file"]
    for name in steps:
        monkeypatch.setattr(llama_cpp, name, recorded(name, getattr(llama_cpp, name)))
    await load(model_path)
    assert done == steps


@pytest.fixture
def half_a_file(model_path: Path, tmp_path: Path) -> Path:
    path = tmp_path / "half.gguf"
    path.write_bytes(model_path.read_bytes()[:-5000])
    return path


async def test_a_file_that_was_not_fully_downloaded(half_a_file: Path) -> None:
    with pytest.raises(LoadFailed, match="not within the file bounds"):
        await load(half_a_file)


async def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "abacus")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(LoadFailed, match="unknown model architecture: 'abacus'"):
        await load(path)


async def test_layers_on_a_gpu_that_the_build_cannot_use(model_path: Path) -> None:
    with pytest.raises(LoadFailed, match="no GPU support"):
        await load(model_path, n_gpu_layers=1)


async def test_more_sequences_than_llama_cpp_has(model_path: Path) -> None:
    with pytest.raises(LoadFailed, match="max_concurrent"):
        await load(model_path, max_concurrent=1000)


@pytest.mark.parametrize("architecture", ["gpt2", "mpt", "starcoder"])
async def test_a_context_beyond_the_learned_positions(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    said = {"general.architecture": architecture}
    monkeypatch.setattr(Model, "metadata", lambda model, key: said.get(key))
    await load(model_path, n_ctx=TINY.context)
    with pytest.raises(LoadFailed, match=rf"`options\.n_ctx` to {TINY.context} at most"):
        await load(model_path, n_ctx=TINY.context + 1)


@pytest.mark.parametrize(
    "said",
    [
        {"general.architecture": "llama"},
        {"general.architecture": "mpt", "mpt.attention.max_alibi_bias": "8.000000"},
    ],
)
async def test_other_models_may_go_beyond_what_they_were_trained_on(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    monkeypatch.setattr(Model, "metadata", lambda model, key: said.get(key))
    await load(model_path, n_ctx=TINY.context + 1)


@pytest.mark.parametrize(
    "options",
    [
        {"kv_unified": True},
        {"flash_attn": "on", "cache_type_v": "bf16"},
        {"cache_type_k": "f32", "cache_type_v": "f32"},
        {"use_mmap": False},
        {"use_mmap": True, "use_mlock": True},
        {"n_batch": 3, "prompt_chunk": 1},
        {"n_ctx": 100, "rope_freq_scale": 0.5, "rope_freq_base": 20000.0},
    ],
)
async def test_answers_under_other_options(model_path: Path, options: dict[str, Any]) -> None:
    async with loaded(model_path, **options) as backend:
        answer = await chat(backend, n=2)
    assert answer.usage.completion_tokens == 32


async def test_a_template_from_the_card(model_path: Path) -> None:
    async with loaded(model_path, chat_template="{{ messages[0].content }}") as backend:
        answer = await chat(backend, "abab")
        same = await complete(backend, "abab")
    assert answer.text() == same.text()


async def test_a_file_without_a_template_gets_chatml(model_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "bare.gguf"
    write_random_gguf(path, TINY, chat_template=None)
    request = ChatRequest.model_validate(
        {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    )
    async with loaded(path) as backend:
        bare = await collect(backend.chat(request))
    async with loaded(model_path) as backend:
        own = await collect(backend.chat(request))
    assert bare.usage.prompt_tokens == own.usage.prompt_tokens


async def test_what_a_worker_says_of_itself(model_path: Path) -> None:
    backend = backend_for(model_path, max_concurrent=3, n_ctx=200)
    info = await backend.load()
    await backend.unload()
    assert info.context_length == 200
    assert info.max_concurrent == 3
    assert info.footprint["host"] > 1_000_000
