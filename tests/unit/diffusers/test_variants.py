"""Weights of a repository in two precisions: what is fetched of them is what is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from backends.diffusers.folders import read_folder
from backends.diffusers.loading import load_pipeline
from backends.diffusers.options import Options
from localai.store.pipeline_files import INDEX, parts_named
from localai.store.repository_files import choose_files
from tests.unit.diffusers.tiny import save_stable_diffusion


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A pipeline written twice; its second precision lacks the autoencoder, and is in parts."""
    folder = save_stable_diffusion(tmp_path / "repository")
    half = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None).to(torch.float16)
    for part in ("unet", "text_encoder"):
        with torch.no_grad():  # so that one is told from the other
            for weights in getattr(half, part).parameters():
                weights.zero_()
        getattr(half, part).save_pretrained(folder / part, variant="fp16", max_shard_size="100KB")
    return folder


def fetched(repository: Path, variant: str | None, target: Path) -> Path:
    """Copy what a pull of the variant would fetch."""
    listing = [
        one.relative_to(repository).as_posix() for one in repository.rglob("*") if one.is_file()
    ]
    parts = parts_named((repository / INDEX).read_bytes(), "tiny")
    paths, _ = choose_files(listing, None, variant, "org/tiny", parts=parts)
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / path, target / path)
    return target


@pytest.mark.parametrize("variant", ["fp16", None])
def test_the_precision_that_was_fetched_is_loaded(
    repository: Path, tmp_path: Path, variant: str | None
) -> None:
    folder = fetched(repository, variant, tmp_path / "model")
    assert read_folder(folder).variant == variant
    assert (folder / "unet/diffusion_pytorch_model.safetensors").exists() == (variant is None)

    pipeline = load_pipeline(folder, Options(), "cpu", torch.float32)
    for part in (pipeline.unet, pipeline.text_encoder):
        is_zero = all(not weights.any() for weights in part.parameters())
        assert is_zero == (variant == "fp16")
    assert any(weights.any() for weights in pipeline.vae.parameters())


def test_without_filters_nothing_is_missed(repository: Path, tmp_path: Path) -> None:
    index = json.loads((repository / INDEX).read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (repository / INDEX).write_text(json.dumps(index))
    for name in ("safety_checker", "feature_extractor"):
        (repository / name).mkdir()
        (repository / name / "config.json").write_text("{}")
    folder = fetched(repository, "fp16", tmp_path / "model")
    assert not (folder / "safety_checker").exists()
    assert load_pipeline(folder, Options(), "cpu", torch.float32).safety_checker is None
