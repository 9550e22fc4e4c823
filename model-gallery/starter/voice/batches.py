"""Batches of recordings of like length."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor

from .model import places_of
from .recordings import Recording
from .shape import FEATURES

BATCH_FRAMES = 4000


@dataclass(frozen=True)
class Batch:
    """Padded recordings: ids by [batch, id], the rest by [batch, frame]."""

    ids: Tensor
    speaker: Tensor
    id_mask: Tensor
    lengths: Tensor
    owners: Tensor
    places: Tensor
    features: Tensor
    mask: Tensor


def pack(chosen: list[Recording]) -> Batch:
    """Pad recordings to one length."""
    count = len(chosen)
    longest = max(len(item.ids) for item in chosen)
    frames = max(len(item.features) for item in chosen)
    ids, lengths = np.zeros((2, count, longest), dtype=np.int64)
    owners, done, owned = np.zeros((3, count, frames), dtype=np.int64)
    features = np.zeros((count, frames, FEATURES), dtype=np.float32)
    id_mask = np.zeros((count, longest, 1), dtype=np.float32)
    mask = np.zeros((count, frames, 1), dtype=np.float32)
    for row, item in enumerate(chosen):
        size, total = len(item.ids), len(item.features)
        ids[row, :size], lengths[row, :size] = item.ids, item.frames
        owners[row, :total] = np.repeat(np.arange(size), item.frames)
        begun = np.cumsum(item.frames) - item.frames
        done[row, :total] = np.arange(total) - begun[owners[row, :total]]
        owned[row, :total] = lengths[row][owners[row, :total]]
        features[row, :total] = item.features
        id_mask[row, :size], mask[row, :total] = 1.0, 1.0
    places = places_of(torch.from_numpy(done).float(), torch.from_numpy(owned).float())
    return Batch(
        ids=torch.from_numpy(ids),
        speaker=torch.tensor([item.speaker for item in chosen]),
        id_mask=torch.from_numpy(id_mask),
        lengths=torch.from_numpy(lengths).float(),
        owners=torch.from_numpy(owners),
        places=places,
        features=torch.from_numpy(features),
        mask=torch.from_numpy(mask),
    )


def batches(data: list[Recording], seed: int) -> Iterator[Batch]:
    """Yield batches without end; each pass over the data groups it anew."""
    rng = Random(seed)
    while True:
        order = sorted(data, key=lambda item: len(item.features) * rng.uniform(0.9, 1.1))
        groups = list(_groups(order))
        rng.shuffle(groups)
        yield from (pack(group) for group in groups)


def _groups(order: list[Recording]) -> Iterator[list[Recording]]:
    chosen: list[Recording] = []
    for item in order:
        longest = max([len(item.features), *(len(other.features) for other in chosen)])
        if chosen and (len(chosen) + 1) * longest > BATCH_FRAMES:
            yield chosen
            chosen = []
        chosen.append(item)
    yield chosen
