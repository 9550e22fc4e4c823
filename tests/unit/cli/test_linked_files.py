"""Models whose files in the store are links, as where Hugging Face's cache is on another disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

Run = Callable[..., Ended]
GGUF = minimal_gguf()


@pytest.fixture
def linked(models: Path, tmp_path: Path, localai: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pulled model whose file in the store is a symbolic link to the hub's cache."""
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    with serve_files() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        Hub(server, server).put("org/Tiny-GGUF", {"Tiny-Q4_K_M.gguf": GGUF})
        assert localai("pull", "org/Tiny-GGUF").code == 0
        shutil.rmtree(tmp_path / "store")
        (models / "tiny.yaml").unlink()
        monkeypatch.setattr(os, "link", _across_disks)
        assert localai("pull", "org/Tiny-GGUF").code == 0
    (link,) = (path for path in (tmp_path / "store").rglob("*.gguf"))
    assert link.is_symlink()
    return link


def _across_disks(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def test_the_card_names_the_stores_own_file(linked: Path, models: Path) -> None:
    card = yaml.safe_load((models / "tiny.yaml").read_text("utf-8"))

    assert card["model"] == str(linked)


def test_the_model_is_listed_once_with_its_reference(linked: Path, localai: Run) -> None:
    (row,) = json.loads(localai("list", "--json").out)

    assert (row["name"], row["reference"]) == ("tiny", "hf://org/Tiny-GGUF")
    assert "reference: hf://org/Tiny-GGUF" in localai("show", "tiny").out


def test_rm_removes_the_link_and_its_record(linked: Path, tmp_path: Path, localai: Run) -> None:
    assert localai("rm", "tiny").code == 0
    assert not linked.is_symlink()
    assert list((tmp_path / "store").rglob("*.json")) == []


def test_a_link_that_is_pulled_by_its_path_keeps_its_name(
    models: Path, tmp_path: Path, localai: Run
) -> None:
    blob = tmp_path / "blobs/0359f2"
    blob.parent.mkdir()
    blob.write_bytes(GGUF)
    link = tmp_path / "snapshot/Tiny-Q4_K_M.gguf"
    link.parent.mkdir()
    link.symlink_to(blob)
    ended = localai("pull", str(link))

    assert ended.out.startswith(f"Wrote {models / 'tiny-q4_k_m.yaml'}. "), ended.err
    card = yaml.safe_load((models / "tiny-q4_k_m.yaml").read_text("utf-8"))
    assert card["model"] == str(link)
    assert localai("pull", str(link)).out.startswith("Kept ")


def test_what_is_linked_is_carried_to_another_machine(
    linked: Path, tmp_path: Path, localai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = tmp_path / "tiny.tar"
    assert localai("export", "tiny", str(tar)).code == 0
    shutil.rmtree(tmp_path / "huggingface")
    for name in ("MODELS", "STORE"):
        folder = tmp_path / "other" / name
        folder.mkdir(parents=True)
        monkeypatch.setenv(f"LOCALAI_{name}", str(folder))
    ended = localai("import", str(tar))

    assert ended.code == 0, ended.err
    (there,) = (tmp_path / "other/STORE").rglob("*.gguf")
    assert there.read_bytes() == GGUF


def test_a_link_to_nowhere_is_told_with_the_pull_that_mends_it(
    linked: Path, models: Path, tmp_path: Path, localai: Run
) -> None:
    shutil.rmtree(tmp_path / "huggingface")
    ended = localai("card", "check", str(models))

    assert f"{linked} is not there any more: `localai pull hf://org/Tiny-GGUF`" in ended.out
