"""What a card names and what the store has, in one spelling, so that they can be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.resolved import Meaning
from localai.cards.schema import Card
from localai.gallery.card_files import (
    place_named,
    places_of,
    sources_of,
    stored_files,
    stored_places,
)
from localai.store.records import StoredFile, StoredModel


class Known:
    """A machine that has one model from elsewhere, and knows one name."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return self._place if reference == "hf://org/a/a.gguf" else None

    def meaning(self, text: str, /) -> Meaning | None:
        return Meaning("hf://org/a/a.gguf") if text == "tiny" else None

    def damaged(self, path: Path, /) -> str | None:
        return None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_what_a_card_names_lies_where_it_is_or_would_be(folder: Path) -> None:
    place, locate = folder / "store/a.gguf", Known(folder / "store/a.gguf")
    models = folder / "models"
    assert place_named("hf://org/a/a.gguf", models, locate) == place
    assert place_named("tiny", models, locate) == place
    assert place_named("hf://org/b", models, locate) is None
    assert place_named("b.gguf", models, locate) == models / "b.gguf"
    assert place_named("../b.gguf", models, locate) == folder / "b.gguf"
    assert place_named((folder / "c d.gguf").as_uri(), models, locate) == folder / "c d.gguf"


def test_a_file_of_a_name_goes_before_what_the_name_means(folder: Path) -> None:
    (folder / "tiny").write_bytes(b"")
    assert place_named("tiny", folder, Known(folder / "store/a.gguf")) == folder / "tiny"


def test_any_text_of_a_card_may_name_a_file(folder: Path) -> None:
    locate = Known(folder / "store/a.gguf")
    content = {
        "model": "tiny",
        "options": {"mmproj": "/elsewhere/eyes.gguf", "text": "two\nlines/", "numbers": [1, None]},
        "files": [{"path": "more.txt", "uri": "hf://org/more/more.txt"}, 7],
        "modle": "~nobody-here/x.gguf",
    }
    places = places_of(content, folder, locate)
    assert {folder / "store/a.gguf", Path("/elsewhere/eyes.gguf"), folder / "more.txt"} <= places
    assert not any("lines" in str(place) for place in places)


def test_the_sources_of_a_card_are_those_that_lead_elsewhere() -> None:
    content = {
        "name": "a", "backend": "b", "model": "hf://org/a", "description": "https://host/page",
        "options": {"mmproj": "https://host/eyes.gguf", "x": ["oci://host/x", "file:///y", "z"]},
        "files": [{"path": "c", "uri": "hf://org/a"}, {"path": "d", "uri": "ollama://d"}],
    }  # fmt: skip
    found = sources_of(Card.model_validate(content))
    assert found == ["hf://org/a", "https://host/eyes.gguf", "oci://host/x", "ollama://d"]


def test_a_model_has_its_files_and_the_folders_around_them(folder: Path) -> None:
    store = folder / "store"
    files = tuple(StoredFile(path, "0" * 64, 1) for path in ("hf/o/r/a.gguf", "hf/o/r/x/b.json"))
    model = StoredModel("hf://o/r", store / "hf/o/r", store / "hf/o/r/a.gguf", files)
    own = {store / "hf/o/r/a.gguf", store / "hf/o/r/x/b.json"}
    assert stored_files(model, store) == own
    around = {store / "hf", store / "hf/o", store / "hf/o/r", store / "hf/o/r/x"}
    assert stored_places(model, store) == own | around
