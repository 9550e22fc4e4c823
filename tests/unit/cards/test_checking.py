"""One check of a card's content, whoever wrote it: a person, an import or a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localai.cards.checking import complaints_of
from localai.cards.importers.checks import check_card_of
from localai.cards.importers.imported import CannotImport, Imported
from tests.unit.cards.importers.checking import BACKENDS

GOOD: dict[str, Any] = {"name": "a", "backend": "piper", "model": "voice.onnx"}
WRONG = [
    ({"backend": "pipper"}, ("backend",), "there is no backend 'pipper'"),
    ({"model": None}, ("backend",), "the backend 'piper' needs 'model'"),
    ({"capabilities": ["chat"]}, ("capabilities", 0), "the backend 'piper' cannot do 'chat'"),
    ({"limits": {"queue": "many"}}, ("limits", "queue"), "limits.queue: "),
    ({"options": {"no_such": 1}}, ("options", "no_such"), "no_such"),
]


def test_a_good_card_has_nothing_wrong() -> None:
    assert complaints_of(GOOD, BACKENDS) == []


@pytest.mark.parametrize(("change", "place", "says"), WRONG)
def test_what_is_wrong_is_told_at_its_place(
    change: dict[str, Any], place: tuple[str | int, ...], says: str
) -> None:
    (found,) = complaints_of(GOOD | change, BACKENDS)

    assert found.location == place
    assert says in found.message


@pytest.mark.parametrize(("change", "_place", "says"), WRONG)
def test_no_import_gives_a_card_that_its_check_refuses(
    change: dict[str, Any], _place: object, says: str
) -> None:
    with pytest.raises(CannotImport) as raised:
        check_card_of(Imported(GOOD | change, (), "why"), BACKENDS, Path("m.yaml"))
    assert says in raised.value.reason
