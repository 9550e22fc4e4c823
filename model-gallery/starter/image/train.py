"""Makes the starter image model: python -m image.train."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from .compress import train_autoencoder
from .diffuse import Reader, make_album, train_denoiser
from .model import Autoencoder, Denoiser, denoiser, diffusers, schedule, transformers
from .read import train_text_encoder
from .say import say
from .scenes import COUNT_WEIGHTS, CountWeights
from .vocabulary import train_vocabulary

AUTOENCODER_STEPS = 1000
TEXT_STEPS = 500


@dataclass(frozen=True)
class Round:
    """Steps of the denoiser at a rate that falls to nothing, and the shares of the counts."""

    steps: int
    weights: CountWeights = COUNT_WEIGHTS


ROUNDS = (Round(2250), Round(750), Round(1500), Round(1250), Round(1900, (0.15, 0.25, 0.60)))


def save(folder: Path, autoencoder: Autoencoder, reader: Reader, model: Denoiser) -> None:
    """Write the pipeline in half precision; the parts in memory stay as they are."""
    pipeline = diffusers.StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=reader.model,
        tokenizer=reader.tokenizer,
        unet=model,
        scheduler=schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    reader.tokenizer.backend_tokenizer.model.save(str(folder / "tokenizer"))
    halved = diffusers.StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float16)
    halved.save_pretrained(folder)
    _forget_places(folder)


def _forget_places(folder: Path) -> None:
    """Take the name of the folder out of the configurations, and let others read the weights."""
    for path in folder.rglob("*.*"):
        path.chmod(0o644)
        if path.suffix == ".json" and '"_name_or_path"' in path.read_text():
            config = json.loads(path.read_text())
            del config["_name_or_path"]
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def first_stages(folder: Path, seed: int) -> tuple[Autoencoder, Reader]:
    """Train autoencoder and text encoder, or take them from an earlier run that was ended."""
    if not (folder / "text_encoder" / "config.json").exists():
        say("autoencoder")
        train_autoencoder(AUTOENCODER_STEPS, seed).save_pretrained(folder / "vae")
        say("text encoder")
        tokenizer = train_vocabulary()
        tokenizer.save_pretrained(folder / "tokenizer")
        trained = train_text_encoder(tokenizer, TEXT_STEPS, seed + 1)
        trained.save_pretrained(folder / "text_encoder")
    autoencoder = diffusers.AutoencoderKL.from_pretrained(folder / "vae")
    text_encoder = transformers.CLIPTextModel.from_pretrained(folder / "text_encoder")
    return autoencoder, Reader(
        transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer"), text_encoder
    )


def train(folder: Path, work: Path, seed: int) -> None:
    """Run all stages and write the pipeline to a folder, also while the denoiser learns."""
    torch.set_num_threads(1)
    autoencoder, reader = first_stages(work, seed)

    def keep(model: Denoiser) -> None:
        save(folder, autoencoder, reader, model)

    for number, plan in enumerate(ROUNDS):
        say(f"denoiser, round {number + 1}")
        album = make_album(autoencoder, seed + 2 + 2 * number, plan.weights)
        start = denoiser if number == 0 else again(folder)
        keep(train_denoiser(album, reader, start, plan.steps, seed + 3 + 2 * number, keep))


def again(folder: Path) -> Callable[[], Denoiser]:
    """Return what gives the denoiser of a folder, to be trained on."""
    model = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32)
    model.train()
    return lambda: model


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).with_name("starter-image")
    parser.add_argument("--out", type=Path, default=default, help="folder of the pipeline")
    parser.add_argument("--work", type=Path, required=True, help="folder of the first stages")
    parser.add_argument("--seed", type=int, default=1, help="seed of pictures and training")
    chosen = parser.parse_args()
    train(chosen.out, chosen.work, chosen.seed)


if __name__ == "__main__":
    main()
