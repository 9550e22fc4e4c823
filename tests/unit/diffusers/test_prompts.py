from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from backends.diffusers.prompts import PromptReader
from localai.errors import InvalidRequest
from tests.unit.diffusers.conftest import Model
from tests.unit.diffusers.tiny import WINDOW


def test_tokens_are_counted_without_the_marks_of_the_ends(sd: Model) -> None:
    assert sd.prompts.count("") == 0
    assert sd.prompts.count("a red circle") == 1 + 3 + 6


def test_long_prompt_is_read_in_pieces_between_words(sd: Model) -> None:
    words = "red circle on a blue ground with many small stars"
    pieces = sd.prompts._pieces(words)
    assert " ".join(pieces) == words
    assert all(sd.prompts.count(piece) <= WINDOW - 2 for piece in pieces)
    assert len(pieces) > 2


@pytest.mark.parametrize("prompt", ["abc" * 40, f"red {'circle' * 10} on blue"])
def test_word_beyond_the_window_is_cut_between_its_letters(sd: Model, prompt: str) -> None:
    pieces = sd.prompts._pieces(prompt)
    assert "".join(pieces).replace(" ", "") == prompt.replace(" ", "")
    assert all(sd.prompts.count(piece) <= WINDOW - 2 for piece in pieces)
    assert len(pieces) > 2


def test_no_negative_prompt_is_not_an_empty_one(xl: Model) -> None:
    # SDXL's own files ask for zeros in its place, however long the prompt is.
    assert xl.loaded.config.force_zeros_for_empty_prompt
    encoded = xl.prompts.arguments(xl.loaded, "word " * 20, None, True)
    assert encoded["negative_prompt_embeds"].shape == encoded["prompt_embeds"].shape
    assert not encoded["negative_prompt_embeds"].any()
    assert not encoded["negative_pooled_prompt_embeds"].any()
    given = xl.prompts.arguments(xl.loaded, "word " * 20, "dark", True)
    assert given["negative_prompt_embeds"].any()


def test_long_prompt_is_no_error_where_it_is_read_in_pieces(sd: Model) -> None:
    sd.prompts.check("word " * 500, "prompt")


def test_long_prompt_is_refused_where_it_would_be_cut_off(sd: Model) -> None:
    class OtherPipeline(SimpleNamespace):
        pass

    prompts = PromptReader(OtherPipeline(tokenizer=sd.loaded.tokenizer))
    prompts.check("a b c", "prompt")
    with pytest.raises(InvalidRequest, match=r"'prompt' has 15 tokens, but this model reads 14"):
        prompts.check("a b c d e f g h i j k l m n o", "prompt")


def test_many_calls_count_at_once_while_one_is_drawn(sd: Model) -> None:
    def read(number: int) -> int:
        sd.loaded.tokenizer("a b", padding="max_length", truncation=True, max_length=WINDOW)
        return sd.prompts.count("a " * number)

    with ThreadPoolExecutor(1) as drawing, ThreadPoolExecutor(4) as counting:
        drawn = [drawing.submit(read, 3) for _ in range(200)]
        counted = [counting.submit(sd.prompts.count, "a " * (i % 40)) for i in range(2000)]
        assert [future.result() for future in counted] == [i % 40 for i in range(2000)]
        assert {future.result() for future in drawn} == {3}
