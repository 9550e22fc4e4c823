"""Symbols that American English of espeak-ng does not use, and the nearest that it does."""

# ruff: noqa: RUF001

import torch
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from torch import Tensor

NEAREST = {
    "a": "ɶ",
    "b": "ɓʙ",
    "d": "ɖɗɟ",
    "f": "ɸ",
    "h": "ħɦçʜ",
    "i": "y",
    "j": "ʎʝ",
    "k": "cqX",
    "l": "ɫɬɭɮʟ",
    "n": "ɲɳ",
    "s": "ʦ",
    "t": "ʈ",
    "u": "ʉɯ",
    "v": "βʋⱱ",
    "w": "ɥʍɰ",
    "x": "χɧ",
    "ŋ": "ɴ",
    "ɑ": "ɒ",
    "ə": "ɘɵ",
    "ɛ": "œε",
    "ɜ": "øɞɝ",
    "ɡ": "gɠɢɣʛʄ",
    "ɪ": "ɨʏ",
    "ɹ": "ɺɻɽʀʁʕ",
    "ʃ": "ʂɕ",
    "ʌ": "ɤ",
    "ʒ": "ʐʑ",
    "θ": "ǀ",
}


def lend(embedding: Tensor, seen: set[int]) -> None:
    """Give ids without training the values of the nearest trained one, or else nothing."""
    with torch.no_grad():
        for row in range(len(embedding)):
            if row not in seen:
                embedding[row] = 0.0
        for lender, symbols in NEAREST.items():
            for symbol in symbols:
                ids = DEFAULT_PHONEME_ID_MAP.get(symbol, ())
                for row in set(ids) - seen:
                    embedding[row] = embedding[DEFAULT_PHONEME_ID_MAP[lender][0]]
