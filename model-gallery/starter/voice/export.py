"""Writes a trained voice as the ONNX file and the JSON file that Piper loads."""

# Scientific libraries without types; the code says what their values are.
# mypy: disable-error-code="import-untyped,import-not-found"

# Where torch is not installed its classes are unknown; a "type: ignore" would be unused with it.
# mypy: disallow-subclassing-any=False

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from torch import Tensor, nn

from .model import Acoustic, places_of
from .shape import HOP, RATE, SYMBOLS
from .speakers import SPEAKERS
from .vocoder import Vocoder

OPSET = 17
LENGTH_NOISE = 0.1
PITCH_NOISE = 0.03
GAIN = 0.95


class Voice(nn.Module):
    """The whole voice, with the inputs and outputs of a Piper model."""

    def __init__(self, acoustic: Acoustic) -> None:
        super().__init__()
        self.acoustic = acoustic
        self.vocoder = Vocoder()

    def forward(
        self, ids: Tensor, id_lengths: Tensor, scales: Tensor, sid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return samples [1, 1, 1, samples] and the frames of each id [1, ids].

        The scales are those of Piper: noise (here of the pitch), length, noise of lengths.
        """
        symbols = ids[:, : id_lengths[0]][:, ::2]
        mask = torch.ones_like(symbols, dtype=torch.float32).unsqueeze(2)
        hidden, logs = self.acoustic.encode(symbols, sid, mask)
        logs = logs[0] + scales[2] * LENGTH_NOISE * torch.randn_like(logs[0])
        ends = torch.cumsum((logs.exp() - 1.0).clamp(min=0.0), dim=0).round().long().clamp(min=1)
        begun = torch.cat([torch.zeros_like(ends[:1]), ends[:-1]])
        features = self._features(hidden[0], begun, ends)
        shake = scales[0] * PITCH_NOISE * torch.randn_like(features[:1, -1:])
        features = torch.cat([features[:, :-1], features[:, -1:] + shake], dim=1)
        samples = self.vocoder(_stretch(features, scales[1])) * GAIN
        frames = (ends - begun).float() * scales[1]
        spread = torch.stack([frames, torch.zeros_like(frames)], dim=1).reshape(1, -1)
        return samples.reshape(1, 1, 1, -1).clamp(-1.0, 1.0), spread[:, : ids.shape[1]]

    def _features(self, hidden: Tensor, begun: Tensor, ends: Tensor) -> Tensor:
        size: Any = ends[-1] + 1
        marks = torch.zeros(size, dtype=torch.long)
        owners = marks.scatter_add(0, ends, torch.ones_like(ends)).cumsum(0)[:-1]
        done = torch.arange(owners.shape[0]) - begun[owners]
        places = places_of(done.float(), (ends - begun)[owners].float())
        mask = torch.ones_like(owners, dtype=torch.float32).reshape(1, -1, 1)
        frames: Tensor = self.acoustic.decode(
            hidden[owners].unsqueeze(0), places.unsqueeze(0), mask
        )
        return frames[0]


def _stretch(features: Tensor, scale: Tensor) -> Tensor:
    """Return features slower or faster, by lines between the frames."""
    last = features.shape[0] - 1
    count: Any = (features.shape[0] * scale).round().long().clamp(min=1)
    times = ((torch.arange(count) + 0.5) / scale - 0.5).clamp(min=0.0)
    lower = times.floor().long().clamp(max=last)
    upper = (lower + 1).clamp(max=last)
    part = (times - times.floor()).unsqueeze(1)
    drawn: Tensor = features[lower] * (1.0 - part) + features[upper] * part
    return drawn


def config() -> dict[str, object]:
    """Return the configuration for Piper."""
    return {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "language": {"code": "en_US"},
        "inference": {"noise_scale": 0.0, "length_scale": 1.0, "noise_w": 0.0},
        "num_symbols": SYMBOLS,
        "num_speakers": len(SPEAKERS),
        "speaker_id_map": {speaker.name: index for index, speaker in enumerate(SPEAKERS)},
        "default_speaker_id": 0,
        "hop_length": HOP,
        "phoneme_map": {},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }


def write_voice(path: Path, acoustic: Acoustic) -> None:
    """Write the model file and beside it the configuration."""
    voice = Voice(acoustic).eval()
    ids = torch.tensor([[1, 0, 20, 0, 59, 0, 24, 0, 27, 0, 2]])
    example = (ids, torch.tensor([11]), torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            voice,
            example,
            str(path),
            input_names=["input", "input_lengths", "scales", "sid"],
            output_names=["output", "frames"],
            dynamic_axes={"input": {1: "ids"}, "output": {3: "samples"}, "frames": {1: "ids"}},
            opset_version=OPSET,
            dynamo=False,
        )
    text = json.dumps(config(), ensure_ascii=False, indent=1)
    Path(f"{path}.json").write_text(text + "\n", encoding="utf-8")
