from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from backends.llama_cpp.engine.run import Run
from backends.llama_cpp.engine.schedule import plan_step


def writing(slot: int) -> Any:
    return SimpleNamespace(next_token=1, leader=None, slot=SimpleNamespace(number=slot))


def reading(left: int, leader: Any = None, before_picture: int | None = None) -> Any:
    text = left if before_picture is None else before_picture
    return SimpleNamespace(
        next_token=None, leader=leader, prompt_left=lambda: left, text_left=lambda: text
    )


def plan(runs: list[Any], room: int = 100, prompt_room: int = 10) -> list[tuple[int, int, bool]]:
    chunks = plan_step(cast(list[Run], runs), room, prompt_room)
    return [(runs.index(chunk.run), chunk.count, chunk.ends_prompt) for chunk in chunks]


def test_answers_come_first_in_the_order_of_their_sequences() -> None:
    assert plan([reading(4), writing(3), writing(1)]) == [
        (2, 1, False), (1, 1, False), (0, 4, True),
    ]  # fmt: skip


def test_prompts_fill_an_idle_engine() -> None:
    assert plan([reading(80), reading(50)]) == [(0, 80, True), (1, 20, False)]


def test_prompts_are_read_in_small_pieces_beside_answers() -> None:
    assert plan([writing(0), reading(80)]) == [(0, 1, False), (1, 10, False)]


def test_a_choice_that_waits_for_its_prompt_is_left_out() -> None:
    leader = reading(5)
    assert plan([leader, reading(5, leader)]) == [(0, 5, True)]


def test_a_prompt_is_read_up_to_its_picture() -> None:
    assert plan([reading(80, before_picture=7), reading(5)]) == [(0, 7, False), (1, 5, True)]


def test_a_prompt_that_waits_for_its_picture_is_left_out() -> None:
    assert plan([reading(80, before_picture=0)]) == []


def test_no_more_than_there_is_room_for() -> None:
    assert plan([writing(0), writing(1), reading(9)], room=1) == [(0, 1, False)]
    assert plan([writing(0), reading(9)], room=4) == [(0, 1, False), (1, 3, False)]
