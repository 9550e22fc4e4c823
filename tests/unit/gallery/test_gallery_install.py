from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.cards.model_files import resolve_model_path, resolve_option_paths
from localai.errors import CardError
from localai.gallery.entry import Entry, EntryFile
from localai.gallery.install import install, install_from
from localai.store.errors import WrongFile
from localai.store.store import Store
from tests.unit.cards.read_cards import read_card
from tests.unit.gallery.samples import BACKENDS, SHA, entry


class Shelf:
    """A store that holds every file, with its own path as content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pulled: list[str] = []

    def __call__(self, file: EntryFile) -> Path:
        self.pulled.append(file.uri)
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.path, "utf-8")
        return path


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def seeing(sha: str) -> Entry:
    return entry(
        name="org/seeing:q4",
        capabilities=["chat", "completion", "vision"],
        files=[
            {"path": "a.gguf", "uri": "hf://o/r/a.gguf", "sha256": sha},
            {"path": "mmproj.gguf", "uri": "hf://o/r/mmproj.gguf"},
        ],
        card={"options": {"mmproj": "mmproj.gguf"}},
    )


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def test_the_card_runs_what_was_pulled(tmp_path: Path, models: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    path = install(seeing(sha256("a.gguf")), shelf, models).card
    card = read_card(path, BACKENDS)

    assert path == models / "org-seeing-q4.yaml"
    assert shelf.pulled == ["hf://o/r/a.gguf", "hf://o/r/mmproj.gguf"]
    assert resolve_model_path(card) == tmp_path / "shelf/a.gguf"
    assert resolve_option_paths(card)["mmproj"] == str(tmp_path / "shelf/mmproj.gguf")


def test_another_card_is_not_overwritten(tmp_path: Path, models: Path) -> None:
    (models / "tiny-chat.yaml").write_text("name: tiny-chat\nbackend: echo\n", "utf-8")
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(CardError, match="already there and differs"):
        install(entry(), shelf, models)
    install(entry(), shelf, models, replace=True)
    assert read_card(models / "tiny-chat.yaml", BACKENDS).card.backend == "llama_cpp"


def test_installing_again_is_fine(tmp_path: Path, models: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    first = install(entry(), shelf, models)
    text = first.card.read_text("utf-8") + "keep_alive: -1\n"
    first.card.write_text(text, "utf-8")
    again = install(entry(), shelf, models)

    assert (first.is_new, again.is_new, again.card) == (True, False, first.card)
    assert again.card.read_text("utf-8") == text
    assert install(entry(), shelf, models, replace=True).is_new
    assert "keep_alive" not in first.card.read_text("utf-8")


def test_a_changed_order_for_the_same_files_is_written(tmp_path: Path, models: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    install(entry(), shelf, models)
    changed = entry(description="Changed.")
    assert not install(changed, shelf, models).is_new
    assert install(changed, shelf, models, keep=False).is_new
    assert read_card(models / "tiny-chat.yaml", BACKENDS).card.description == "Changed."


def test_a_card_whose_files_have_moved_names_them_where_they_are(
    tmp_path: Path, models: Path
) -> None:
    install(entry(), Shelf(tmp_path / "before"), models)
    assert install(entry(), Shelf(tmp_path / "after"), models).is_new
    card = read_card(models / "tiny-chat.yaml", BACKENDS)
    assert resolve_model_path(card) == tmp_path / "after/tiny.gguf"


def test_a_model_is_found_in_its_archive(tmp_path: Path, models: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "amy.onnx").write_bytes(b"")
    voice = entry(
        name="amy",
        backend="piper",
        capabilities=["speech"],
        files=[{"path": "voice.tar.gz", "uri": "https://example.org/v.tar.gz", "sha256": SHA}],
        card={"model": "amy.onnx"},
    )
    path = install(voice, lambda _: unpacked, models).card
    assert resolve_model_path(read_card(path, BACKENDS)) == unpacked / "amy.onnx"
    (unpacked / "amy.onnx").unlink()
    with pytest.raises(WrongFile, match=r"None of the files of 'amy' holds amy\.onnx"):
        install(voice, lambda _: unpacked, models)


def test_the_real_store_brings_the_files(
    tmp_path: Path, models: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    (folder / "voices").mkdir()
    files = {"voices/amy.onnx": b"onnx", "voices/amy.onnx.json": b"{}"}
    for path, content in files.items():
        (folder / path).write_bytes(content)
    voice = entry(
        name="amy",
        backend="piper",
        capabilities=["speech"],
        files=[
            {
                "path": Path(path).name,
                "uri": f"{address}/{path}",
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for path, content in files.items()
        ],
    )
    store = Store(tmp_path / "store")
    model = resolve_model_path(read_card(install_from(store, voice, models).card, BACKENDS))

    assert model is not None
    assert model.read_bytes() == b"onnx"
    assert model.with_name("amy.onnx.json").read_bytes() == b"{}"
    assert [one.cards for one in store.list()] == [(str(models / "amy.yaml"),)] * 2


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_a_hash_is_the_same_in_either_case(
    tmp_path: Path, models: Path, served: tuple[Path, str], spell: Callable[[str], str]
) -> None:
    folder, address = served
    (folder / "tiny.onnx").write_bytes(b"tiny")
    uri, wanted = f"{address}/tiny.onnx", sha256("tiny")
    file = {"path": "tiny.onnx", "uri": uri, "sha256": spell(wanted)}
    listed = entry(backend="piper", capabilities=["speech"], files=[file])
    store = Store(tmp_path / "store")
    installed = install_from(store, listed, models)

    assert installed.is_new
    (kept,) = read_card(installed.card, BACKENDS).card.files
    assert (kept.uri, kept.sha256) == (uri, wanted)
    assert not install_from(store, listed, models).is_new


def test_the_real_store_refuses_other_bytes(
    tmp_path: Path, models: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    (folder / "tiny.onnx").write_bytes(b"other")
    wrong = entry(files=[{"path": "tiny.onnx", "uri": f"{address}/tiny.onnx", "sha256": SHA}])
    with pytest.raises(WrongFile, match=SHA):
        install_from(Store(tmp_path / "store"), wrong, models)
    assert list(models.iterdir()) == []
    assert not list((tmp_path / "store").rglob("tiny.onnx"))


def test_the_real_store_unpacks_a_voice(
    tmp_path: Path, models: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    with tarfile.open(folder / "voice.tar.gz", "w:gz") as archive:
        for name, content in (("amy.onnx", b"onnx"), ("amy.onnx.json", b"{}")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    voice = entry(
        name="amy",
        backend="piper",
        capabilities=["speech"],
        files=[
            {
                "path": "voice.tar.gz",
                "uri": f"{address}/voice.tar.gz",
                "sha256": hashlib.sha256((folder / "voice.tar.gz").read_bytes()).hexdigest(),
            }
        ],
        card={"model": "amy.onnx"},
    )
    card = install_from(Store(tmp_path / "store"), voice, models).card
    model = resolve_model_path(read_card(card, BACKENDS))
    assert model is not None
    assert model.name == "amy.onnx"
    assert model.with_name("amy.onnx.json").exists()


def test_what_was_pulled_is_not_fetched_again(
    tmp_path: Path, models: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    (folder / "tiny.onnx").write_bytes(b"onnx")
    uri = f"{address}/tiny.onnx"
    store = Store(tmp_path / "store")
    pulled = store.pull(uri)
    (models / "tiny-chat.yaml").write_text(
        f"name: tiny-chat\nbackend: piper\nmodel: {pulled.model}\n", "utf-8"
    )
    (folder / "tiny.onnx").unlink()
    same = entry(
        backend="piper", files=[{"path": "tiny.onnx", "uri": uri, "sha256": sha256("onnx")}]
    )
    installed = install_from(store, same, models)

    assert not installed.is_new
    assert "files" not in installed.card.read_text("utf-8")
