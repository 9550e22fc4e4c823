from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from backends.diffusers.options import Lora, Options
from backends.diffusers.schedulers import NAMES
from localai.errors import LoadFailed
from localai.protocol.manifest import read_manifest
from localai.settings import builtin_backends_folder

MANIFEST = read_manifest(builtin_backends_folder() / "diffusers")


def test_manifest_and_options_have_the_same_defaults() -> None:
    assert Options.parse(MANIFEST.option_defaults()) == Options()
    assert list(MANIFEST.options) == [field.name for field in dataclasses.fields(Options)]


def test_manifest_lists_every_scheduler() -> None:
    assert tuple(MANIFEST.options["scheduler"].enum or ()) == NAMES


def test_loras_and_steps_are_read() -> None:
    options = Options.parse(
        {"lora": [{"path": "a.safetensors"}, {"path": "b.safetensors", "scale": 0.5}],
         "quality_steps": {"low": 4, "high": 40}, "size": "512x384"}
    )  # fmt: skip
    assert options.lora == (Lora("a.safetensors"), Lora("b.safetensors", 0.5))
    assert options.quality_steps == {"low": 4, "high": 40}
    assert options.default_size() == (512, 384)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stepz": 4}, "Did you mean 'steps'"),
        ({"lora": ["a.safetensors"]}, "lora: 'a.safetensors' should be {path: FILE"),
        ({"lora": [{"path": "a", "weight": 1}]}, "should be {path: FILE, scale: NUMBER}"),
        ({"quality_steps": {"lo": 4}}, "quality_steps has no 'lo'"),
        ({"quality_steps": {"low": 0}}, "quality_steps.low: 0"),
        ({"quality_steps": {"low": True}}, "quality_steps.low: True"),
        ({"offload": "model", "device": "cpu"}, "offload: model moves parts"),
        ({"size": "large"}, "should be WIDTHxHEIGHT"),
    ],
)
def test_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(LoadFailed) as refused:
        Options.parse(options)
    assert said in refused.value.message
