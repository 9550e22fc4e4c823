from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from localai.cards.writing import AnotherCard, card_file, card_text, write_card
from localai.errors import CardError
from localai.files import replace_text

CARD = {"name": "org/m:q4", "backend": "llama_cpp", "model": "/models/m.gguf"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return card_file(tmp_path / "models", CARD["name"])


def test_a_card_is_written_under_a_name_that_a_file_can_have(target: Path) -> None:
    assert write_card(target, CARD)
    assert target.name == "org-m-q4.yaml"
    assert yaml.safe_load(target.read_text("utf-8")) == CARD
    assert [one.name for one in target.parent.iterdir()] == [target.name]


def test_what_a_person_wrote_in_a_card_of_the_same_model_stays(target: Path) -> None:
    write_card(target, CARD | {"keep_alive": -1})

    assert not write_card(target, CARD)
    assert "keep_alive: -1" in target.read_text("utf-8")
    with pytest.raises(CardError, match="already there and differs"):
        write_card(target, CARD, "refuse")
    assert write_card(target, CARD, "replace")
    assert yaml.safe_load(target.read_text("utf-8")) == CARD
    assert not write_card(target, CARD, "refuse")


def test_a_relative_path_may_name_the_same_model(target: Path) -> None:
    write_card(target, CARD | {"model": "m.gguf"})
    assert not write_card(target, CARD | {"model": str(target.parent / "m.gguf")})


@pytest.mark.parametrize(
    "there", ["name: m\nbackend: echo\n", "model: /models/other.gguf\n", "[", "- a\n", "", "\xff"]
)
def test_another_card_is_refused_and_stays(target: Path, there: str) -> None:
    target.parent.mkdir()
    target.write_bytes(there.encode("latin-1"))
    with pytest.raises(CardError, match="rename or remove it") as refused:
        write_card(target, CARD)
    assert str(target) in refused.value.message
    assert target.read_bytes() == there.encode("latin-1")
    assert write_card(target, CARD, "replace")


def test_two_cards_without_a_model_are_not_the_same(target: Path) -> None:
    write_card(target, {"name": "a", "backend": "echo"})
    with pytest.raises(CardError):
        write_card(target, {"name": "a", "backend": "echo", "options": {"delay": 1}})


def test_texts_of_several_lines_can_be_read() -> None:
    text = card_text({"options": {"chat_template": "{% a %}\n{% b %}\n"}, "name": "ä" * 200})
    assert "chat_template: |\n    {% a %}\n    {% b %}\n" in text
    assert "ä" * 200 in text


def test_a_failed_write_leaves_what_was_there(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_card(target, CARD)

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        replace_text(target, "half")
    assert yaml.safe_load(target.read_text("utf-8")) == CARD
    assert [one.name for one in target.parent.iterdir()] == [target.name]


def test_a_card_that_names_its_model_through_a_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to("store")
    target = tmp_path / "tiny.yaml"
    write_card(target, {"name": "tiny", "model": str(tmp_path / "link/m.gguf"), "aliases": ["a"]})
    text = target.read_text("utf-8")

    assert not write_card(target, {"name": "tiny", "model": str(tmp_path / "store/m.gguf")})
    assert target.read_text("utf-8") == text
    with pytest.raises(AnotherCard):
        write_card(target, {"name": "tiny", "model": str(tmp_path / "store/other.gguf")})
