"""Model folders that are whole, and those that are not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from backends.faster_whisper.model import load_model
from backends.faster_whisper.options import Options
from localai.errors import LoadFailed
from tests.starter_whisper import MODEL


def load_error(model: Path, **options: Any) -> str:
    with pytest.raises(LoadFailed) as failed:
        load_model(model, Options.parse(options))
    return failed.value.message


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the embedded model, to be broken."""
    return Path(shutil.copytree(MODEL, tmp_path / "broken"))


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_missing_file_of_the_model_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    assert f"has no {name}" in load_error(model)


def test_file_in_place_of_the_folder_is_said(model: Path) -> None:
    assert "is no folder" in load_error(model / "model.bin")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.bin", b"not a model"),
        ("model.bin", None),
        ("config.json", b"{"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b'{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel",'
         b'"vocab":{"a":0},"unk_token":"a"}}'),
    ],
)  # fmt: skip
def test_broken_file_of_the_model_is_a_failed_load(
    model: Path, name: str, content: bytes | None
) -> None:
    path = model / name
    path.write_bytes(path.read_bytes()[:1000] if content is None else content)
    assert str(model) in load_error(model)


@pytest.mark.parametrize("content", [b'{"feature_size": 128}', b'{"feature_size": 40}'])
def test_model_that_hears_other_mel_bands_than_it_gets_is_a_failed_load(
    model: Path, content: bytes
) -> None:
    (model / "preprocessor_config.json").write_bytes(content)
    assert str(model / "preprocessor_config.json") in load_error(model)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "cuda", "device_index": 7}, "cannot be loaded"),
        ({"compute_type": "float16", "device": "cpu"}, "float16"),
    ],
)
def test_option_that_cannot_be_is_a_failed_load(options: dict[str, object], said: str) -> None:
    assert said in load_error(MODEL, **options)
