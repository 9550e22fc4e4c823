"""A name that another model's card has is told before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import FileServer, serve_files

GGUF = minimal_gguf()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as running:
        yield running


def add_gallery(folder: Path, address: str) -> None:
    file = {"path": "b.gguf", "uri": address, "size": len(GGUF)}
    entry = {"name": "x", "capabilities": ["chat"], "backend": "llama_cpp", "files": [file]}
    (folder / "galleries").mkdir()
    (folder / "galleries/mine.yaml").write_text(yaml.safe_dump({"models": [entry]}))
    known = {"galleries": [{"name": "mine", "source": "/elsewhere/mine.yaml"}]}
    (folder / "galleries.yaml").write_text(yaml.safe_dump(known))


def test_nothing_is_fetched_for_a_name_that_another_model_has(
    models: Path, tmp_path: Path, server: FileServer, localai: Callable[..., Ended]
) -> None:
    first, other = server.put("/a/a.gguf", GGUF), server.put("/b/b.gguf", GGUF + bytes(1 << 20))
    add_gallery(tmp_path, other)
    assert localai("pull", first, "--name", "x").code == 0
    written, before = (models / "x.yaml").read_bytes(), server.sent

    for command in (("pull", other, "--name", "x"), ("install", "mine@x")):
        ended = localai(*command)
        assert (ended.code, server.sent - before) == (1, 0), ended
        assert "already there and differs" in ended.err
    assert (models / "x.yaml").read_bytes() == written
    assert localai("pull", first, "--name", "x").code == 0


def test_a_name_that_a_card_of_another_file_has_is_not_given_twice(
    models: Path, server: FileServer, localai: Callable[..., Ended]
) -> None:
    (models / "any.yaml").write_text("name: x\nbackend: echo\n")
    ended = localai("pull", server.put("/a/a.gguf", GGUF), "--name", "x")
    assert ended.code == 1
    assert f"There is a model 'x' already, with the card {models / 'any.yaml'}" in ended.err
    assert server.sent == 0


def test_rm_leaves_the_files_that_a_card_of_another_folder_runs(
    models: Path,
    tmp_path: Path,
    server: FileServer,
    localai: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = server.put("/a/a.gguf", GGUF)
    other = tmp_path / "other"
    other.mkdir()
    for folder in (models, other):
        monkeypatch.setenv("LOCALAI_MODELS", str(folder))
        assert localai("pull", address, "--name", "x").code == 0
    monkeypatch.setenv("LOCALAI_MODELS", str(models))
    ended = localai("rm", "x")

    assert "0 B became free" in ended.out
    assert f"Its files stay for {other / 'x.yaml'}" in ended.out
    model = Path(yaml.safe_load((other / "x.yaml").read_text())["model"])
    assert model.read_bytes() == GGUF
    monkeypatch.setenv("LOCALAI_MODELS", str(other))
    localai("rm", "x")
    assert not model.exists()
