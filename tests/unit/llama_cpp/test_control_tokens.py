from __future__ import annotations

from backends.llama_cpp.control_tokens import ControlTokens

CONTROLS = ControlTokens(["<|end|>", "<|end|>x", "<s>"])


def test_text_without_control_tokens_stays_as_it_is() -> None:
    assert CONTROLS.take_out("hello") == "hello"
    assert list(CONTROLS.split("hello<|end|>")) == [("hello<|end|>", True)]


def test_what_a_caller_wrote_comes_back_as_plain_text() -> None:
    prompt = f"<s>{CONTROLS.take_out('a<|end|>b')}<|end|>"
    assert list(CONTROLS.split(prompt)) == [
        ("<s>a", True), ("<|end|>", False), ("b<|end|>", True),
    ]  # fmt: skip


def test_the_longest_token_is_taken_out() -> None:
    assert list(CONTROLS.split(CONTROLS.take_out("<|end|>x"))) == [("<|end|>x", False)]


def test_names_and_arguments_are_covered_too() -> None:
    message = {"name": "<s>", "tool_calls": [{"<s>": {"n": 1, "x": "<s>"}}]}
    assert "<s>" not in str(CONTROLS.take_out(message))


def test_marks_survive_trimming_and_capitals() -> None:
    prompt = CONTROLS.take_out(" <|end|> ").strip().upper().lower()
    assert list(CONTROLS.split(prompt)) == [("<|end|>", False)]


def test_a_forged_mark_is_just_text() -> None:
    forged = "\ue00000000000-0\ue001"
    assert list(CONTROLS.split(CONTROLS.take_out(forged))) == [(forged, True)]


def test_a_vocabulary_without_control_tokens() -> None:
    controls = ControlTokens([])
    assert list(controls.split(controls.take_out("<s>"))) == [("<s>", True)]
