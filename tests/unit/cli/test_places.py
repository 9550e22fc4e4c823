"""Places that cannot be written or read: told at once, with what to do, and nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import FileServer, serve_files

Run = Callable[..., Ended]
GGUF = minimal_gguf()
NOBODY_CAN_WRITE = "/proc/self/fdinfo"
"""A folder in which not even root can make a file."""


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as running:
        yield running


@pytest.fixture
def closed_models(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAI_MODELS", NOBODY_CAN_WRITE)
    monkeypatch.setenv("LOCALAI_GALLERIES", str(tmp_path))


@pytest.mark.usefixtures("closed_models")
def test_a_closed_models_folder_is_told_before_the_first_byte(
    server: FileServer, tmp_path: Path, localai: Run
) -> None:
    url = server.put("/m/m.gguf", GGUF)
    entry: dict[str, object] = {"name": "x", "capabilities": ["chat"], "backend": "llama_cpp"}
    entry["files"] = [{"path": "m.gguf", "uri": url}]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": [entry]}))
    assert localai("gallery", "add", str(tmp_path / "mine.yaml")).code == 0

    for words in (["pull", url], ["install", "x"]):
        ended = localai(*words)
        assert (ended.code, server.sent) == (1, 0), words
        assert f"folder {NOBODY_CAN_WRITE} cannot be used" in ended.err
        assert "LOCALAI_MODELS" in ended.err
        assert f"'{NOBODY_CAN_WRITE}/{'x' if 'x' in words else 'm'}.yaml'" in ended.err


@pytest.mark.usefixtures("closed_models")
def test_an_import_is_told_before_its_first_byte_too(
    tmp_path: Path, localai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.gguf").write_bytes(GGUF)
    monkeypatch.setenv("LOCALAI_MODELS", str(tmp_path / "models"))
    localai("pull", str(tmp_path / "m.gguf"))
    assert localai("export", "m", str(tmp_path / "m.tar")).code == 0
    monkeypatch.setenv("LOCALAI_MODELS", NOBODY_CAN_WRITE)

    ended = localai("import", str(tmp_path / "m.tar"))
    assert ended.code == 1
    assert "LOCALAI_MODELS" in ended.err
    assert not (tmp_path / "store/imported").exists()


def test_a_closed_models_folder_is_no_matter_for_a_card_that_is_there(
    models: Path,
    server: FileServer,
    tmp_path: Path,
    localai: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = server.put("/m/m.gguf", GGUF)
    localai("pull", url)
    for path in (tmp_path / "store").rglob("*.gguf"):
        path.unlink()

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied", str(models))

    monkeypatch.setattr("localai.cards.writing.check_can_be_written", refuse)
    assert localai("pull", url).out.startswith(f"Kept {models / 'm.yaml'}")


def test_a_file_of_the_user_s_that_cannot_be_read_is_named_alone(
    models: Path, tmp_path: Path, localai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "m.gguf"))

    (tmp_path / "m.gguf").write_bytes(GGUF)
    monkeypatch.setattr("localai.cli.pull.import_of", refuse)

    ended = localai("pull", str(tmp_path / "m.gguf"))
    assert ended.err == f"Error: {tmp_path / 'm.gguf'}: Permission denied\n"


@pytest.mark.parametrize("words", [["pull"], ["pull", "--sha256", "a" * 64], ["import"]])
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, words: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    own = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, "-m", "localai.cli", *words, str(tmp_path / "pipe.gguf")],
        env=own, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "pipe.gguf is n" in ended.stderr


def test_an_output_with_a_slash_is_a_folder(tmp_path: Path, localai: Run) -> None:
    (tmp_path / "tiny.gguf").write_bytes(GGUF)
    output = tmp_path / "new/mine"

    assert (
        localai("card", "import", str(tmp_path / "tiny.gguf"), "--output", f"{output}/").code == 0
    )
    assert yaml.safe_load((output / "tiny.yaml").read_text())["name"] == "tiny"


def test_an_output_without_a_slash_is_a_file(tmp_path: Path, localai: Run) -> None:
    (tmp_path / "tiny.gguf").write_bytes(GGUF)
    output = tmp_path / "mine.yaml"

    assert localai("card", "import", str(tmp_path / "tiny.gguf"), "--output", str(output)).code == 0
    assert output.is_file()


def test_a_gallery_s_model_can_be_installed_by_another_name(
    models: Path, server: FileServer, tmp_path: Path, localai: Run
) -> None:
    entry: dict[str, object] = {"name": "x", "capabilities": ["chat"], "backend": "llama_cpp"}
    entry["files"] = [{"path": "m.gguf", "uri": server.put("/m/m.gguf", GGUF)}]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": [entry]}))
    localai("gallery", "add", str(tmp_path / "mine.yaml"))

    ended = localai("install", "x", "--name", "my/x")
    assert ended.code == 0, ended.err
    assert ended.out == f"Wrote {models / 'my-x.yaml'}. Try: localai chat my/x\n"
    assert yaml.safe_load((models / "my-x.yaml").read_text())["name"] == "my/x"
    assert "cannot be a model's name" in localai("install", "x", "--name", "a b").err


def test_what_was_written_for_localai_is_kept_where_its_card_replaces_it(
    models: Path, localai: Run
) -> None:
    original = models / "g.yaml"
    text = "name: g\nparameters:\n  model: hf://org/repo/m.gguf\ncontext_size: 512\n"
    original.write_text(text)
    again = ["card", "import", str(original), "--output", str(original), "--force"]
    ended = localai(*again)
    kept = original.with_name("g.yaml.localai")
    assert ended.code == 0
    assert f"Kept what was there as {kept}." in ended.err
    assert kept.read_text() == text
    assert localai("card", "check", str(models)).code == 0
    original.write_text("name: g\nparameters: {model: other.gguf}\n")
    assert f"{kept} is there already" in localai(*again).err
    assert kept.read_text() == text
