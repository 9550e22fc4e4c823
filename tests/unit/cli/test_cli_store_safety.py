"""Commands that remove and replace: what they leave alone, and what they say of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localai.file_locks import open_locked
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway
from tests.unit.cli.minimal_gguf import minimal_gguf

GGUF = minimal_gguf()
Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One folder for cards and for the store."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(folder))
    monkeypatch.setenv("LOCALAI_STORE", str(folder))
    return folder


@pytest.fixture
def url(gateway: FakeGateway, folder: Path, localai: Run) -> str:
    gateway.answer("GET", "/files/M.gguf", Answer(200, GGUF, {"content-length": str(len(GGUF))}))
    url = f"{gateway.url}/files/M.gguf"
    assert localai("pull", url).code == 0
    return url


def test_a_store_that_is_the_models_folder_is_pruned_harmlessly(
    url: str, folder: Path, localai: Run
) -> None:
    (folder / "own.gguf").write_bytes(GGUF)
    in_store = folder / "hf/by-hand/own.gguf"
    in_store.parent.mkdir(parents=True)
    in_store.write_bytes(GGUF)
    card = {"name": "own", "backend": "llama_cpp", "model": "own.gguf"}
    (folder / "own.yaml").write_text(yaml.safe_dump(card | {"defaults": {"stop": ["/", "."]}}))
    (folder / "hand.yaml").write_text(yaml.safe_dump(card | {"model": "hf/by-hand/own.gguf"}))
    left = folder / "hf/o/left.gguf"
    left.parent.mkdir()
    left.write_bytes(GGUF)

    told = localai("prune", "--all", "--dry-run")
    assert told.out.startswith("hf/o/left.gguf\n1 files would be removed")
    assert left.exists()
    assert localai("prune", "--all").out.startswith("hf/o/left.gguf\n1 files removed")
    kept = {path.name for path in folder.rglob("*.*") if path.is_file()}
    assert kept >= {"own.gguf", "own.yaml", "hand.yaml", "m.yaml", "M.gguf"}
    assert in_store.exists()


def test_rm_says_where_the_bytes_still_are(
    url: str, folder: Path, localai: Run, tmp_path: Path
) -> None:
    model = next(folder.glob("url/**/M.gguf"))
    os.link(model, tmp_path / "mine.gguf")
    out = localai("rm", "m").out
    assert "0 B became free" in out
    assert "5.0 kB stay: another file has the same bytes" in out


def test_rm_and_prune_say_which_record_is_broken(url: str, folder: Path, localai: Run) -> None:
    (folder / "records/broken.json").write_text("{")
    for command in (("rm", "m"), ("prune", "--all")):
        refused = localai(*command)
        assert refused.code != 0
        assert "broken.json" in refused.err
    assert (folder / "m.yaml").exists()
    assert next(folder.glob("url/**/M.gguf")).exists()


def test_rm_refuses_what_an_unseen_process_holds(url: str, folder: Path, localai: Run) -> None:
    held = open_locked(next(folder.glob("url/**/M.gguf")), shared=True)
    assert held is not None
    refused = localai("rm", "m")
    assert refused.code != 0
    assert "is in use by" in refused.err
    os.close(held)
    assert localai("rm", "m").code == 0


@pytest.mark.parametrize("taken_by", ["file", "name"])
def test_import_checks_the_name_before_it_copies(
    url: str,
    folder: Path,
    localai: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken_by: str,
) -> None:
    tar, other = tmp_path / "m.tar", tmp_path / "other"
    assert localai("export", "m", str(tar)).code == 0
    other.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(other))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store2"))
    mine = other / ("m.yaml" if taken_by == "file" else "any.yaml")
    mine.write_text("name: m\nbackend: echo\n")

    refused = localai("import", str(tar))
    assert refused.code != 0
    assert str(mine) in refused.err
    assert not (tmp_path / "store2").exists()
    assert localai("import", str(tar), "--name", "a b").code != 0
    assert not (tmp_path / "store2").exists()
    assert localai("import", str(tar), "--name", "far").code == 0
    assert (other / "far.yaml").exists()
