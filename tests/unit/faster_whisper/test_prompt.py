"""What the decoder knows before it writes, in the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faster_whisper.tokenizer import Tokenizer

from backends.faster_whisper.asked import Asked, read_request
from backends.faster_whisper.model import CALL, Call, Whisper, load_model
from backends.faster_whisper.options import Options
from backends.faster_whisper.transcriber import Transcriber
from localai.protocol.audio import TranscriptionRequest
from localai.worker.results import Segment
from tests.recordings import write
from tests.starter_whisper import MODEL, held_out, say, word_errors


@pytest.fixture(scope="module")
def model() -> Iterator[Whisper]:
    model = load_model(MODEL, Options(device="cpu", cpu_threads=1))
    yield model
    model.model.unload_model()


def words(model: Whisper, count: int) -> str:
    """Return a text of `count` tokens."""
    (token,) = model.hf_tokenizer.encode(" the", add_special_tokens=False).ids
    return str(model.hf_tokenizer.decode([token] * count)).strip()


@pytest.mark.parametrize(
    ("keywords", "before", "kept"), [(0, 300, 223), (23, 300, 200), (223, 300, 0), (23, 50, 50)]
)
def test_keywords_shorten_the_text_before(
    model: Whisper, keywords: int, before: int, kept: int
) -> None:
    tokenizer = Tokenizer(model.hf_tokenizer, multilingual=False)
    previous = list(range(before))
    prompt = model.get_prompt(tokenizer, previous, hotwords=words(model, keywords))
    assert len(prompt) == 1 + keywords + kept + len(tokenizer.sot_sequence)
    assert prompt[1 + keywords :][:kept] == previous[before - kept :]


@pytest.mark.parametrize("batched", ["on", "off"])
def test_full_prompt_leaves_room_for_the_text(model: Whisper, batched: Any, tmp_path: Path) -> None:
    sentence = held_out()[0]
    path = write(tmp_path, say(sentence))
    keywords, prompt = words(model, 223), " ".join(held_out())
    asked = request(model, path, keywords=[keywords], prompt=prompt, temperature=0.01)
    options = Options(batched=batched, beam_size=1)
    CALL.set(call := Call())
    heard = Transcriber(model, options, asked, call).run()
    text = "".join(one.text for one in heard if isinstance(one, Segment))
    assert word_errors(sentence, text)[0] <= 1, text


def request(model: Whisper, path: str, **fields: Any) -> Asked:
    return read_request(
        TranscriptionRequest(file=path, **fields), Options(), model.hf_tokenizer, translate=False,
        multilingual=False,
    )  # fmt: skip
