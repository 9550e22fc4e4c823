"""What a card's text means, and where its model lies, without asking anybody."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from localai.cards.resolved import Meaning
from localai.store.store import Store
from localai.store.whereabouts import Locator
from tests.unit.store.content import gguf
from tests.unit.store.file_server import FileServer


@pytest.fixture
def shortnames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config/localai/shortnames.conf"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("org/repo", "hf://org/repo"),
        ("org/repo:Q8_0", "hf://org/repo:Q8_0"),
        ("hf.co/org/repo", "hf://org/repo"),
        ("github:org/repo/m.gguf", "https://raw.githubusercontent.com/org/repo/main/m.gguf"),
        ("ollama.com/library/tiny", "ollama://tiny:latest"),
        ("ghcr.io/org/m:v1", "oci://ghcr.io/org/m:v1"),
        ("tiny", "ollama://tiny:1b"),
        ("small", "ollama://tiny:1b"),
    ],
)
def test_a_text_without_a_scheme_means_what_it_means_for_pull(
    tmp_path: Path, shortnames: Path, text: str, reference: str
) -> None:
    shortnames.write_text('[shortnames]\n"small" = "tiny"\n"tiny" = "ollama://tiny:1b"\n')
    assert Locator(tmp_path).meaning(text) == Meaning(reference)
    assert str(Store(tmp_path).reference(text)) == reference


@pytest.mark.parametrize("text", ["m.gguf", "sub/m.gguf", "./org/repo", "~/m", "/m", "none", "a b"])
def test_everything_else_is_a_path(tmp_path: Path, text: str) -> None:
    assert Locator(tmp_path).meaning(text) is None


def test_a_short_name_may_be_a_file_s(tmp_path: Path, shortnames: Path) -> None:
    shortnames.write_text(f'[shortnames]\n"own" = "{tmp_path}/m.gguf"\n')
    assert Locator(tmp_path).meaning("own") == Meaning((tmp_path / "m.gguf").as_uri())


def test_a_name_may_be_a_gallery_s(tmp_path: Path) -> None:
    known = {"tiny": Meaning("hf://org/tiny", "0" * 64)}
    locate = Locator(tmp_path, known.get)
    assert locate.meaning("tiny") == known["tiny"]
    assert locate.meaning("none") is None


def test_short_names_that_cannot_be_read_are_told_once(
    tmp_path: Path, shortnames: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shortnames.write_text("[shortnames")
    locate = Locator(tmp_path)
    with caplog.at_level(logging.WARNING, "localai.store"):
        assert locate.meaning("org/repo") == Meaning("hf://org/repo")
        assert locate.meaning("tiny") is None
    assert [str(shortnames) in one.message for one in caplog.records] == [True]


def test_only_a_whole_model_is_here(tmp_path: Path, server: FileServer) -> None:
    url = server.put("/models/m.gguf", gguf(5000))
    model = Store(tmp_path / "store").pull(url)
    locate = Locator(tmp_path / "store")
    assert locate(url) == model.model
    assert locate(url, model.files[0].sha256.upper()) == model.model
    assert locate(url, "0" * 64) is None
    model.model.write_bytes(b"GGUF")
    assert locate(url) is None
    assert locate("hf://org/none") is None
    assert locate("no reference at all") is None


@pytest.mark.parametrize("cut_to", [0, 100, None])
def test_what_is_not_whole_is_known_by_its_reference(
    tmp_path: Path, server: FileServer, cut_to: int | None
) -> None:
    store = Store(tmp_path / "store")
    model = store.pull(server.put("/m.gguf", gguf()))
    locate = Locator(store.folder)
    assert locate.damaged(model.model) is None
    if cut_to is None:
        model.model.unlink()
    else:
        with model.model.open("r+b") as file:
            file.truncate(cut_to)

    assert locate.damaged(model.model) == model.reference
    assert locate.damaged(model.model.with_name("another.gguf")) is None
    assert locate.damaged(store.folder.parent / "m.gguf") is None
