from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localai.errors import LoadFailed
from tests.unit.sentence_transformers.conftest import backend_for


async def fails(path: Path | None, message: str, **options: Any) -> None:
    with pytest.raises(LoadFailed, match=message):
        await backend_for(path, **options).load()


async def test_what_is_no_model(tmp_path: Path) -> None:
    await fails(None, "names no model")
    await fails(tmp_path / "none", "does not exist")
    await fails(tmp_path, "no modules.json")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    await fails(file, "is a file")
    (tmp_path / "modules.json").write_text("[", "utf-8")
    await fails(tmp_path, "cannot load")


async def test_options_that_cannot_be_honoured(model_path: Path) -> None:
    await fails(model_path, "device: cuda:7 cannot be used", device="cuda:7")
    await fails(model_path, "n_ctx: 513 is more than the model's 512", n_ctx=513)
    await fails(model_path, "n_ctx: 2 leaves no room", n_ctx=2)
    with pytest.raises(LoadFailed, match="Did you mean 'device'"):
        backend_for(model_path, devise="cpu")


async def test_what_a_worker_says_of_itself(model_path: Path) -> None:
    backend = backend_for(model_path)
    info = await backend.load()
    await backend.unload()
    assert info.capabilities == ["embedding"]
    assert info.context_length == 256
    assert set(info.build) == {"sentence-transformers", "transformers", "torch"}
