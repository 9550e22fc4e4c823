from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localai.store import store as stores
from localai.store.download import Downloader, Patience
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway
from tests.unit.cli.minimal_gguf import minimal_gguf

GGUF = minimal_gguf()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(folder))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    hasty = Downloader(patience=Patience(stall=5, attempts=2, pause=0))
    monkeypatch.setattr(stores, "shared_downloader", lambda: hasty)
    return folder


def stored(tmp_path: Path) -> list[str]:
    """Return the names of the model files in the store."""
    found = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
    return sorted(path.name for path in found if path.suffix not in {".json", ""})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "Some Model-Q4_K.gguf"
    path.write_bytes(GGUF)
    return path


def card(path: Path) -> dict[str, str]:
    content = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


# --- a file ---


def test_a_file_gets_a_card_and_stays_where_it_is(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", str(model))

    path = models / "some-model-q4_k.yaml"
    assert ended == (0, f"Wrote {path}. Try: localai chat some-model-q4_k\n", "")
    assert card(path) == {
        "name": "some-model-q4_k", "backend": "llama_cpp", "model": str(model),
    }  # fmt: skip
    assert [one.name for one in models.iterdir()] == [path.name]


def test_a_file_uri_and_a_name_are_taken(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    assert localai("pull", model.as_uri(), "--name", "org/m:q4").code == 0
    assert card(models / "org-m-q4.yaml")["name"] == "org/m:q4"


def test_a_relative_path_is_written_absolute(
    models: Path, model: Path, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    localai("pull", model.name, "--name", "m")

    assert card(models / "m.yaml")["model"] == str(model)


def test_another_card_is_only_replaced_by_force(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    (models / "m.yaml").write_text("name: m\nbackend: echo\n")
    refused = localai("pull", str(model), "--name", "m")

    assert refused.code == 1
    assert "already there and differs" in refused.err
    assert localai("pull", str(model), "--name", "m", "--force").code == 0
    assert card(models / "m.yaml")["backend"] == "llama_cpp"
    assert localai("pull", str(model), "--name", "m").code == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"tjgg" + bytes(20), "old GGJT format"),
        (b'\x40\x00\x00\x00\x00\x00\x00\x00{"a": 1}', "safetensors"),
        (b"ELF?", "starts with b'ELF?'"),
    ],
)
def test_what_is_no_gguf_is_named(
    models: Path, model: Path, localai: Callable[..., Ended], content: bytes, reason: str
) -> None:
    model.write_bytes(content)
    ended = localai("pull", str(model))

    assert ended.code == 1
    assert "is not a GGUF model" in ended.err
    assert reason in ended.err
    assert list(models.iterdir()) == []


@pytest.mark.parametrize("ref", ["ftp://host/m.gguf", "oci:x y", "hf://org", "a b"])
def test_what_names_no_model_is_refused_with_the_forms(
    models: Path, localai: Callable[..., Ended], ref: str
) -> None:
    ended = localai("pull", ref)

    assert ended.code == 1
    assert "does not name a model" in ended.err
    assert "hf://org/repo" in ended.err


def test_an_unknown_name_says_where_models_come_from(
    models: Path, localai: Callable[..., Ended]
) -> None:
    assert "no short name" in localai("pull", "qwen3").err


def test_the_checksum_of_a_file_is_checked_too(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    assert "has the hash" in localai("pull", str(model), "--sha256", "0" * 64).err
    assert list(models.iterdir()) == []
    assert localai("pull", str(model), "--sha256", hashlib.sha256(GGUF).hexdigest()).code == 0


def test_a_missing_file_and_a_folder_are_named(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    assert "does not exist" in localai("pull", str(tmp_path / "none.gguf")).err
    assert "holds no model" in localai("pull", str(models)).err


def test_a_bad_name_is_wrong_use(models: Path, model: Path, localai: Callable[..., Ended]) -> None:
    ended = localai("pull", str(model), "--name", "../x")

    assert ended.code == 2
    assert "cannot be a model's name" in ended.err


# --- a URL ---


def serve(gateway: FakeGateway, body: bytes, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    gateway.answer("GET", "/files/M.gguf?download=1", Answer(200, body, named))
    return f"{gateway.url}/files/M.gguf?download=1"


def test_a_url_is_downloaded_into_the_store_and_gets_a_card(
    gateway: FakeGateway, models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF, content_length=str(len(GGUF)))
    ended = localai("pull", url, "--sha256", hashlib.sha256(GGUF).hexdigest().upper())

    assert (ended.code, ended.err) == (0, "")
    model = Path(card(models / "m.yaml")["model"])
    assert model.read_bytes() == GGUF
    assert model.name == "M.gguf"
    assert model.is_relative_to(tmp_path / "store")
    assert [one.name for one in models.iterdir()] == ["m.yaml"]


def test_a_file_that_is_there_is_only_fetched_again_by_force(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url)
    calls = len(gateway.calls)

    assert localai("pull", url).out.startswith("Kept ")
    assert len(gateway.calls) == calls
    assert localai("pull", url, "--force").code == 0
    assert len(gateway.calls) > calls


def test_what_a_person_wrote_in_the_card_stays(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url)
    path = models / "m.yaml"
    path.write_text(path.read_text("utf-8") + "keep_alive: -1\n")
    localai("pull", url)
    assert "keep_alive: -1" in path.read_text("utf-8")


def test_a_card_of_another_model_is_refused_before_the_download(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    (models / "m.yaml").write_text("name: m\nbackend: echo\n")
    assert "already there and differs" in localai("pull", serve(gateway, GGUF)).err
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"<html>", {"content_type": "text/html; charset=utf-8"}, "is a web page"),
        (b"<html>", {}, "it is a web page"),
        (b"", {"content_length": "0"}, "it is empty"),
        (GGUF, {"content_length": str(len(GGUF) + 1)}, "cannot be fetched"),
        (GGUF, {"content_length": str(1 << 60)}, "free"),
    ],
)
def test_a_bad_download_leaves_nothing(
    gateway: FakeGateway,
    models: Path,
    tmp_path: Path,
    localai: Callable[..., Ended],
    body: bytes,
    headers: dict[str, str],
    reason: str,
) -> None:
    ended = localai("pull", serve(gateway, body, **headers))

    assert ended.code == 1
    assert reason in ended.err
    assert list(models.iterdir()) == []
    assert [name for name in stored(tmp_path) if not name.endswith(".part")] == []


def test_a_wrong_checksum_leaves_nothing(
    gateway: FakeGateway, models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", serve(gateway, GGUF), "--sha256", "0" * 64)

    assert ended.code == 1
    assert hashlib.sha256(GGUF).hexdigest() in ended.err
    assert "0" * 64 in ended.err
    assert list(models.iterdir()) == []
    assert stored(tmp_path) == []


def test_an_error_of_the_server_and_a_url_of_no_model_are_named(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    assert "answered 404" in localai("pull", f"{gateway.url}/none.gguf").err
    assert "does not name a model file" in localai("pull", f"{gateway.url}/").err
    assert "--trust" in localai("pull", f"{gateway.url}/model.bin").err
