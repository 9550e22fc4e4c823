from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway

GGUF = b"GGUF" + b"\x03\x00\x00\x00" + bytes(5000)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(folder))
    return folder


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


@pytest.mark.parametrize("ref", ["hf://org/repo", "ollama://qwen", "qwen3:4b", "qwen3", "oci:x"])
def test_other_references_are_refused_with_an_example(
    models: Path, localai: Callable[..., Ended], ref: str
) -> None:
    ended = localai("pull", ref)

    assert ended.code == 1
    assert "the path or the URL of a .gguf file" in ended.err
    assert "localai pull https://" in ended.err


def test_the_checksum_of_a_file_is_checked_too(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    assert "has the sha256" in localai("pull", str(model), "--sha256", "0" * 64).err
    assert list(models.iterdir()) == []
    assert localai("pull", str(model), "--sha256", hashlib.sha256(GGUF).hexdigest()).code == 0


def test_a_missing_file_and_a_folder_are_named(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    assert "does not exist" in localai("pull", str(tmp_path / "none.gguf")).err
    assert "is a folder" in localai("pull", str(tmp_path)).err


def test_a_bad_name_is_wrong_use(models: Path, model: Path, localai: Callable[..., Ended]) -> None:
    ended = localai("pull", str(model), "--name", "../x")

    assert ended.code == 2
    assert "cannot be a model's name" in ended.err


# --- a URL ---


def serve(gateway: FakeGateway, body: bytes, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    gateway.answer("GET", "/files/M.gguf?download=1", Answer(200, body, named))
    return f"{gateway.url}/files/M.gguf?download=1"


def test_a_url_is_downloaded_and_gets_a_card(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF, content_length=str(len(GGUF)))
    ended = localai("pull", url, "--sha256", hashlib.sha256(GGUF).hexdigest().upper())

    assert ended.code == 0
    assert (models / "M.gguf").read_bytes() == GGUF
    assert card(models / "m.yaml")["model"] == "M.gguf"
    assert sorted(one.name for one in models.iterdir()) == ["M.gguf", "m.yaml"]


def test_a_file_that_is_there_is_only_fetched_again_by_force(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url)

    assert "is already there" in localai("pull", url).err
    assert localai("pull", url, "--force").code == 0


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
    localai: Callable[..., Ended],
    body: bytes,
    headers: dict[str, str],
    reason: str,
) -> None:
    ended = localai("pull", serve(gateway, body, **headers))

    assert ended.code == 1
    assert reason in ended.err
    assert list(models.iterdir()) == []


def test_a_wrong_checksum_leaves_nothing(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", serve(gateway, GGUF), "--sha256", "0" * 64)

    assert ended.code == 1
    assert hashlib.sha256(GGUF).hexdigest() in ended.err
    assert list(models.iterdir()) == []


def test_an_error_of_the_server_and_a_url_of_no_model_are_named(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    assert "answered 404" in localai("pull", f"{gateway.url}/none.gguf").err
    assert "does not name a .gguf file" in localai("pull", f"{gateway.url}/model.bin").err
