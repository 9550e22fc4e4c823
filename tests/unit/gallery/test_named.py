"""What a gallery's name means for a card, and what is said of a name that nobody knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localai.cards.resolved import Meaning
from localai.errors import ModelNotFound
from localai.gallery.galleries import Galleries, galleries_of
from localai.gallery.named import GalleryNames, entry_named, meaning_of
from localai.settings import Settings
from tests.unit.gallery.samples import BACKENDS, ENTRY, SHA, entry


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Settings(models=tmp_path / "models", store=tmp_path / "store")


@pytest.fixture
def galleries(settings: Settings, tmp_path: Path) -> Galleries:
    path = tmp_path / "team.yaml"
    path.write_text(ENTRY + "unusable:\n  - {name: big, reason: it runs on vllm}\n", "utf-8")
    galleries = galleries_of(settings, BACKENDS)
    galleries.add(str(path), lambda url: url)
    return galleries


def test_a_name_is_the_model_file_of_its_entry(settings: Settings, galleries: Galleries) -> None:
    names = GalleryNames(galleries_of(settings, BACKENDS))
    tiny = Meaning("hf://org/tiny/tiny.gguf", SHA)
    assert names("tiny-chat") == names("team@tiny-chat") == tiny
    assert names("none") is names("other@tiny-chat") is names("big") is None


def test_a_changed_gallery_is_read_again(
    settings: Settings, galleries: Galleries, tmp_path: Path
) -> None:
    names = GalleryNames(galleries_of(settings, BACKENDS))
    assert names("tiny-chat") is not None
    copy = settings.models.parent / "galleries/team.yaml"
    copy.write_text(ENTRY.replace("tiny.gguf\n        sha", "new.gguf\n        sha"), "utf-8")
    os.utime(copy, ns=(1, 1))
    found = names("tiny-chat")
    assert found is not None
    assert found.reference == "hf://org/tiny/new.gguf"


def test_what_comes_in_an_archive_has_no_reference_of_its_own() -> None:
    voice = entry(
        backend="piper",
        capabilities=["speech"],
        files=[{"path": "v.tar.gz", "uri": "https://example.org/v.tar.gz", "sha256": SHA}],
        card={"model": "amy.onnx"},
    )
    assert meaning_of(voice) is None
    assert meaning_of(entry()) == Meaning("hf://org/tiny/tiny.gguf", SHA)


def test_an_unknown_name_is_told_near_ones_and_the_forms(
    galleries: Galleries, tmp_path: Path
) -> None:
    short = tmp_path / "config/localai/shortnames.conf"
    short.parent.mkdir(parents=True)
    short.write_text('[shortnames]\n"granite" = "hf://org/granite"\n', "utf-8")
    with pytest.raises(ModelNotFound) as caught:
        entry_named(galleries, "granit")
    assert "'granit' is no short name and no model of a gallery. Did you mean 'granite'" in (
        caught.value.message
    )
    for form in ("`localai search WORDS`", "hf://org/repo", "ollama://granit"):
        assert form in caught.value.message
    assert entry_named(galleries, "tiny-chat").name == "tiny-chat"


def test_what_ollama_calls_a_model_is_told_how_it_is_pulled(galleries: Galleries) -> None:
    with pytest.raises(ModelNotFound, match=r"`localai pull ollama://llama3\.2:3b`"):
        entry_named(galleries, "llama3.2:3b")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("big", "it runs on vllm"), ("none@x", "There is no gallery 'none'"), ("team@x", "'x'")],
)
def test_a_better_reason_stays(galleries: Galleries, name: str, reason: str) -> None:
    with pytest.raises(ModelNotFound, match=reason) as caught:
        entry_named(galleries, name)
    assert "short name" not in caught.value.message
