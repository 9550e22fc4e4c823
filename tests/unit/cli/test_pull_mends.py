"""`localai pull` of a model whose file or record was damaged mends it, and says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.store import store as stores
from localai.store.download import Patience
from localai.store.flights import Downloader
from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

GGUF = minimal_gguf()
HUB, WEB = "hf://org/tiny", "web"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    hasty = Downloader(patience=Patience(stall=5, attempts=2, pause=0))
    monkeypatch.setattr(stores, "shared_downloader", lambda: hasty)
    return tmp_path


@pytest.fixture(params=[HUB, WEB])
def reference(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> object:
    with serve_files() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        Hub(server, server).put("org/tiny", {"tiny-Q4_K_M.gguf": GGUF})
        url = server.put("/files/tiny.gguf", GGUF)
        yield url if request.param == WEB else HUB


def model_in(folder: Path) -> Path:
    (found,) = (folder / "store").rglob("*.gguf")
    return found


@pytest.mark.parametrize("left", [100, 0, None])
def test_a_file_that_was_cut_off_is_fetched_again(
    folder: Path, reference: str, localai: Callable[..., Ended], left: int | None
) -> None:
    assert localai("pull", reference).code == 0
    model = model_in(folder)
    if left is None:
        model.unlink()
    else:
        os.truncate(model, left)

    ended = localai("pull", reference)
    assert ended.code == 0, ended.err
    assert model.read_bytes() == GGUF
    found = "is not there" if left is None else f"has {left} bytes in place of {len(GGUF)}"
    assert ended.err == f"note: {model} {found}: it was brought here again.\n"
    assert "is here already" not in ended.out
    assert localai("pull", reference).err == ""
    if reference == HUB:  # what others read of it is whole again too
        (blob,) = (folder / "huggingface/hub").rglob("blobs/*")
        assert blob.samefile(model)


def test_a_record_that_cannot_be_read_is_mended_as_the_warning_says(
    folder: Path, reference: str, localai: Callable[..., Ended], caplog: pytest.LogCaptureFixture
) -> None:
    assert localai("pull", reference).code == 0
    card = folder / "models/tiny.yaml"
    text = card.read_text("utf-8") + "description: mine\n"
    card.write_text(text, "utf-8")
    (record,) = (folder / "store/records").iterdir()
    record.write_text("{", "utf-8")

    caplog.clear()
    for command in ("list", "df", "show tiny"):
        assert localai(*command.split()).code == 0
    told = [one.getMessage() for one in caplog.records if str(record) in one.getMessage()]
    assert len(told) == 1
    record.unlink()
    ended = localai("pull", reference)
    assert ended.code == 0, ended.err
    assert card.read_text("utf-8") == text
    assert record.exists()


def test_the_card_of_the_model_stays_its_only_one(
    folder: Path, reference: str, localai: Callable[..., Ended]
) -> None:
    assert localai("pull", reference, "--name", "mix").code == 0
    os.truncate(model_in(folder), 100)

    ended = localai("pull", reference)
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"Kept {folder / 'models/mix.yaml'}")
    assert [path.name for path in (folder / "models").iterdir()] == ["mix.yaml"]
