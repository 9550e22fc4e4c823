from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backends.diffusers.folders import read_folder
from backends.diffusers.loading import choose_device, choose_dtype, load_pipeline
from backends.diffusers.options import Lora, Options
from backends.diffusers.schedulers import NAMES
from localai.errors import LoadFailed
from tests.unit.diffusers.original import save_original_file
from tests.unit.diffusers.tiny import save_flux, save_stable_diffusion_3

DENOISER = Path("unet") / "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(sd_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may break."""
    return shutil.copytree(sd_folder, tmp_path / "model")


def load(path: Path, **options: object) -> object:
    return load_pipeline(path, Options(**options), "cpu", torch.float32)  # type: ignore[arg-type]


def failure(path: Path, **options: object) -> str:
    with pytest.raises(LoadFailed) as failed:
        load(path, **options)
    return failed.value.message


def test_folder_is_loaded_without_its_filter(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = True
    (folder / "model_index.json").write_text(json.dumps(index))
    pipeline = load(folder)
    assert type(pipeline).__name__ == "StableDiffusionPipeline"
    assert pipeline.safety_checker is None  # type: ignore[attr-defined]


def test_half_weights_alone_are_found(folder: Path) -> None:
    for path in folder.glob("*/*.safetensors"):
        weights = {name: tensor.half() for name, tensor in load_file(path).items()}
        save_file(weights, path.with_name(path.stem + ".fp16.safetensors"), {"format": "pt"})
        path.unlink()
    assert read_folder(folder).variant == "fp16"
    assert load(folder) is not None


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("scheduler", [name for name in NAMES if not name.startswith("flow_")])
def test_every_scheduler_fits(folder: Path, scheduler: str) -> None:
    pipeline = load(folder, scheduler=scheduler)
    assert pipeline.scheduler.config.beta_start == 0.00085  # type: ignore[attr-defined]


def test_scheduler_of_another_kind_of_noise_is_refused(folder: Path) -> None:
    message = failure(folder, scheduler="flow_euler")
    assert "flow_euler does not fit this model, whose own is DDIMScheduler" in message


def test_scheduler_that_takes_no_levels_of_noise_is_refused(tmp_path: Path) -> None:
    message = failure(save_flux(tmp_path / "flux"), scheduler="flow_heun")
    assert "FluxPipeline sets the levels of noise itself: use flow_euler" in message
    assert load(save_stable_diffusion_3(tmp_path / "sd3"), scheduler="flow_heun")


def test_latents_are_never_cut_to_the_range_of_pixels(xl_folder: Path) -> None:
    for name in ("ddim", "ddpm"):
        assert not load(xl_folder, scheduler=name).scheduler.config.clip_sample  # type: ignore[attr-defined]


def test_folder_that_is_no_model(tmp_path: Path) -> None:
    assert "has no model_index.json" in failure(tmp_path)


def test_missing_path(tmp_path: Path) -> None:
    assert "nowhere.safetensors does not exist" in failure(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "names no pipeline"),
        ('{"_class_name": "Nonsense"}', "has no pipeline 'Nonsense'"),
        ('{"_class_name": "DDIMScheduler"}', "has no pipeline 'DDIMScheduler'"),
    ],
)
def test_index_that_is_wrong(folder: Path, index: str, said: str) -> None:
    (folder / "model_index.json").write_text(index)
    assert said in failure(folder)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_part_that_is_missing_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert f"has no folder '{part}'" in failure(folder)


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    (folder / DENOISER).unlink()
    assert "unet has no weights (*.safetensors)" in failure(folder)


def test_pickles_are_never_read(folder: Path) -> None:
    (folder / DENOISER).unlink()
    (folder / DENOISER).with_suffix(".bin").write_bytes(b"\x80\x04cos\nsystem\n")
    message = failure(folder)
    assert "only as diffusion_pytorch_model.bin, a pickle" in message
    assert "convert it to .safetensors" in message


def test_half_a_file_is_named(folder: Path) -> None:
    whole = (folder / DENOISER).read_bytes()
    (folder / DENOISER).write_bytes(whole[: len(whole) // 2])
    message = failure(folder)
    assert str(folder) in message
    assert "cannot be loaded" in message


def test_single_file_without_configs_says_which_it_needs(sd_folder: Path, tmp_path: Path) -> None:
    path = save_original_file(sd_folder, tmp_path / "model.safetensors")
    message = failure(path)
    assert "carries weights but no configs and no tokenizer" in message
    assert "stable-diffusion-v1-5/stable-diffusion-v1-5" in message


def test_single_file_draws_what_its_folder_draws(sd_folder: Path, tmp_path: Path) -> None:
    path = save_original_file(sd_folder, tmp_path / "model.safetensors")
    configs = tmp_path / "configs"
    without_weights = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(sd_folder, configs, ignore=without_weights)
    pictures = []
    for pipeline in (load(path, config="configs"), load(sd_folder)):
        generator = torch.Generator().manual_seed(3)
        drawn = pipeline(  # type: ignore[operator]
            "red", num_inference_steps=2, generator=generator, output_type="np"
        )
        pictures.append(torch.from_numpy(drawn.images))
    assert torch.allclose(pictures[0], pictures[1], atol=1e-4)


def test_single_file_with_a_wrong_config(sd_folder: Path, tmp_path: Path) -> None:
    path = save_original_file(sd_folder, tmp_path / "model.safetensors")
    assert "config: " in failure(path, config="nowhere")


def test_other_single_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"x")
    assert "is no .safetensors file" in failure(path)


def test_lora_changes_the_picture_and_its_scale_counts(folder: Path) -> None:
    save_lora(folder / "style.safetensors")
    pixels = []
    for scale in (None, 0.0, 1.0):
        lora = () if scale is None else (Lora("style.safetensors", scale),)
        pipeline = load(folder, lora=lora)
        generator = torch.Generator().manual_seed(3)
        drawn = pipeline(  # type: ignore[operator]
            "red", num_inference_steps=2, generator=generator, output_type="np"
        )
        pixels.append(torch.from_numpy(drawn.images))
    assert torch.allclose(pixels[0], pixels[1], atol=1e-5)
    assert not torch.allclose(pixels[0], pixels[2], atol=1e-3)


def test_lora_that_is_missing_or_of_another_model(folder: Path) -> None:
    assert "is no .safetensors file" in failure(folder, lora=(Lora("nowhere.safetensors"),))
    save_file({"unet.other.lora_A.weight": torch.zeros(2, 2)}, folder / "odd.safetensors")
    assert "fit" in failure(folder, lora=(Lora("odd.safetensors"),))


def save_lora(path: Path) -> None:
    """Write changes of rank two to one layer of the tiny denoiser."""
    torch.manual_seed(5)
    layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q"
    weights = {
        f"{layer}.lora_A.weight": torch.randn(2, 16) * 3,
        f"{layer}.lora_B.weight": torch.randn(16, 2) * 3,
    }
    save_file(weights, path)


def test_savings_of_memory_are_set(folder: Path) -> None:
    pipeline = load(folder, vae_tiling=True, vae_slicing=True, attention_slicing=True)
    assert pipeline.vae.use_tiling  # type: ignore[attr-defined]
    assert pipeline.vae.use_slicing  # type: ignore[attr-defined]


def test_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(LoadFailed, match="device: cuda is not available"):
        choose_device("cuda")


def test_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert choose_device("auto") == "cuda"
    assert choose_dtype("auto", "cuda") == torch.bfloat16
    assert choose_dtype("auto", "cpu") == torch.float32
    assert choose_dtype("float16", "cpu") == torch.float16


def test_emulated_bfloat16_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert choose_dtype("auto", "cuda") == torch.float16
