"""A card that has the place: each command names its own way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCALAI_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_pull_names_both_of_its_options(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(minimal_gguf())
    (models / "m.yaml").write_text("name: m\nbackend: echo\n")

    refused = localai("pull", str(model))

    assert "choose another name with --name, or replace it with --force" in refused.err


def test_install_names_both_too(models: Path, localai: Callable[..., Ended]) -> None:
    (models / "qwen3-0.6b.yaml").write_text("name: qwen3-0.6b\nbackend: echo\n")

    refused = localai("install", "qwen3-0.6b")

    assert refused.code == 1
    assert "choose another name with --name, or replace it with --force" in refused.err


@pytest.mark.parametrize("text", ["zz", "a" * 63, "a" * 65, "sha256:" + "a" * 64])
def test_a_checksum_has_64_hex_digits(
    models: Path, localai: Callable[..., Ended], text: str
) -> None:
    refused = localai("pull", "hf://org/m", "--sha256", text)
    assert refused.code == 2
    assert "64 hex digits" in refused.err


def test_a_kept_card_is_called_by_its_own_name(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(minimal_gguf())
    (models / "m.yaml").write_text(f"name: mine\nbackend: llama_cpp\nmodel: {model}\n")

    ended = localai("pull", str(model), "--name", "m")

    assert ended == (0, f"Kept {models / 'm.yaml'}. Try: localai chat mine\n", "")
