from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import backends.llama_cpp
from backends.llama_cpp.options import Options
from localai.errors import LoadFailed
from localai.protocol.manifest import read_manifest

FOLDER = Path(backends.llama_cpp.__file__).parent


def test_the_manifest_and_the_code_agree_on_names_and_defaults() -> None:
    manifest = read_manifest(FOLDER)
    assert dataclasses.asdict(Options.parse(manifest.option_defaults())) == dataclasses.asdict(
        Options()
    )
    assert list(manifest.options) == [field.name for field in dataclasses.fields(Options)]


def test_an_unknown_option_names_the_near_one() -> None:
    with pytest.raises(LoadFailed, match="Did you mean 'n_ctx'"):
        Options.parse({"n_ctxx": 1})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"flash_attn": "off", "cache_type_v": "q8_0"}, "needs flash attention"),
        ({"main_gpu": 1}, "split_mode: none"),
        ({"split_mode": "none", "tensor_split": [1, 2]}, "leave one out"),
        ({"n_batch": 64, "n_ubatch": 128}, "raise n_batch"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        Options.parse(options)
