"""What a card lists under `files`: it lies beside the card, or comes from where its `uri` says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.cards.model_files import (
    has_its_files,
    missing_references,
    resolve_model_path,
    resolve_option_paths,
)
from localai.cards.resolved import Meaning, ResolvedCard
from localai.errors import LoadFailed
from tests.unit.cards.importers.checking import BACKENDS
from tests.unit.cards.read_cards import read_card
from tests.unit.cards.samples import write_card

MODEL, EYES = "https://example.org/a/q4.gguf", "hf://org/repo/eyes.gguf"


class Store:
    """Models by reference."""

    def __init__(self, **here: Path) -> None:
        self._here = {"m": MODEL, "e": EYES}
        self._paths = {self._here[name]: path for name, path in here.items()}

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return self._paths.get(reference) if sha256 in (None, "0" * 64) else None

    def meaning(self, text: str, /) -> Meaning | None:
        return None

    def damaged(self, path: Path, /) -> str | None:
        return None


def listed(folder: Path, model: str, store: Store) -> ResolvedCard:
    text = (
        f"name: a\nbackend: llama_cpp\nmodel: {model}\noptions: {{mmproj: ./eyes.gguf}}\n"
        f"files:\n- {{path: chat.gguf, uri: '{MODEL}', sha256: '{'0' * 64}'}}\n"
        f"- {{path: eyes.gguf, uri: '{EYES}'}}\n"
    )
    card = read_card(write_card(folder / "cards/a.yaml", text), BACKENDS)
    return replace(card, locate=store)


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "q4.gguf"
    path.parent.mkdir()
    path.write_bytes(b"GGUF")
    return path


@pytest.mark.parametrize("model", ["chat.gguf", "./chat.gguf", MODEL])
def test_a_listed_path_that_is_not_there_means_where_it_comes_from(
    model: str, tmp_path: Path, fetched: Path
) -> None:
    card = listed(tmp_path, model, Store())
    assert missing_references(card) == {MODEL: "0" * 64, EYES: None}
    assert not has_its_files(card)

    card = listed(tmp_path, model, Store(m=fetched, e=fetched))
    assert missing_references(card) == {}
    assert resolve_model_path(card) == fetched
    assert resolve_option_paths(card)["mmproj"] == str(fetched)


@pytest.mark.parametrize("model", ["chat.gguf", MODEL])
def test_listed_files_that_lie_beside_the_card_are_used(
    model: str, tmp_path: Path, fetched: Path
) -> None:
    card = listed(tmp_path, model, Store(m=fetched))
    for name in ("chat.gguf", "eyes.gguf"):
        (tmp_path / "cards" / name).write_bytes(b"GGUF")

    assert missing_references(card) == {}
    expected = fetched if model == MODEL else tmp_path / "cards/chat.gguf"
    assert resolve_model_path(card) == expected
    assert resolve_option_paths(card)["mmproj"] == str(tmp_path / "cards/eyes.gguf")


def test_an_option_whose_file_was_not_fetched_is_told_by_its_own_text(
    tmp_path: Path, fetched: Path
) -> None:
    card = listed(tmp_path, "chat.gguf", Store(m=fetched))
    with pytest.raises(LoadFailed, match=r"there is no file '\./eyes\.gguf', and 'hf://org/repo"):
        resolve_option_paths(card)


def test_a_reference_is_answered_by_its_file_beside_the_card(tmp_path: Path) -> None:
    card = listed(tmp_path, MODEL, Store())
    for name in ("chat.gguf", "eyes.gguf"):
        (tmp_path / "cards" / name).write_bytes(b"GGUF")

    assert has_its_files(card)
    assert resolve_model_path(card) == tmp_path / "cards/chat.gguf"


def test_a_model_inside_a_listed_archive_is_found_where_that_was_unpacked(
    tmp_path: Path, fetched: Path
) -> None:
    text = (
        "name: a\nbackend: llama_cpp\nmodel: q4.gguf\n"
        f"files: [{{path: all.tar.gz, uri: '{MODEL}', sha256: '{'1' * 64}'}}]\n"
    )
    card = read_card(write_card(tmp_path / "cards/a.yaml", text), BACKENDS)
    assert missing_references(card) == {MODEL: "1" * 64}
    for place in (fetched, fetched.parent):
        found = replace(card, locate=Store(m=place))
        assert missing_references(found) == {}
        assert resolve_model_path(found) == fetched
