from __future__ import annotations

import numpy as np
import pytest

from backends.llama_cpp.slots import Slot, Slots, Tokens, common_prefix


def tokens(*numbers: int) -> Tokens:
    return np.array(numbers, np.int32)


def taken(slots: Slots, prompt: Tokens) -> tuple[Slot, int]:
    found = slots.take(prompt)
    assert found is not None
    return found


def fill(slots: Slots, prompt: Tokens) -> Slot:
    """Answer `prompt` as an engine would, and free the slot."""
    slot, shared = taken(slots, prompt)
    slot.truncate(shared)
    slot.append(prompt[shared:], len(prompt) - shared)
    slots.give_back(slot)
    return slot


@pytest.mark.parametrize(
    ("left", "right", "length"),
    [
        ((), (1,), 0), ((1, 2), (1, 2), 2), ((1, 2), (1, 2, 3), 2), ((1, 2, 3), (1, 9, 3), 1),
        ((5,), (6,), 0),
    ],
)  # fmt: skip
def test_common_prefix(left: tuple[int, ...], right: tuple[int, ...], length: int) -> None:
    assert common_prefix(tokens(*left), tokens(*right)) == length


def test_a_conversation_gets_its_slot_back() -> None:
    slots = Slots(3, 16)
    fill(slots, tokens(1, 2, 3))
    slot = fill(slots, tokens(7, 8, 9))
    assert taken(slots, tokens(7, 8, 9, 10)) == (slot, 3)


def test_the_last_token_of_a_prompt_is_always_decoded() -> None:
    slots = Slots(1, 16)
    fill(slots, tokens(1, 2, 3))
    assert taken(slots, tokens(1, 2, 3))[1] == 2


def test_a_new_conversation_takes_an_unused_slot() -> None:
    slots = Slots(2, 16)
    first = fill(slots, tokens(1, 2, 3))
    assert taken(slots, tokens(4, 5))[0] is not first


def test_a_common_beginning_alone_does_not_evict_a_conversation() -> None:
    slots = Slots(2, 16)
    first = fill(slots, tokens(1, 2, 3, 4, 5, 6, 7, 8))
    assert taken(slots, tokens(1, 2, 9))[0] is not first


def test_a_common_beginning_worth_keeping_is_reused() -> None:
    slots = Slots(2, 16)
    first = fill(slots, tokens(1, 2, 3, 4, 5, 6))
    assert taken(slots, tokens(1, 2, 9)) == (first, 2)


def test_the_least_recently_used_slot_is_taken_over() -> None:
    slots = Slots(2, 16)
    oldest = fill(slots, tokens(1, 1))
    fill(slots, tokens(2, 2))
    assert taken(slots, tokens(3, 3)) == (oldest, 0)


def test_no_slot_is_taken_twice() -> None:
    slots = Slots(2, 16)
    numbers = {taken(slots, tokens(1))[0].number for _ in range(2)}
    assert numbers == {0, 1}
    assert slots.take(tokens(1)) is None


def test_an_empty_prompt_shares_nothing() -> None:
    assert taken(Slots(1, 4), tokens())[1] == 0


def test_held_tokens() -> None:
    slots = Slots(2, 16)
    fill(slots, tokens(1, 2, 3))
    assert slots.held_tokens() == 3
