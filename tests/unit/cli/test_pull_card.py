"""`localai pull NAME` of a card: all of its files are fetched, and no card is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import FileServer, serve_files

GGUF = minimal_gguf()
TRY = "Try: localai chat mine"
SHA256 = hashlib.sha256(GGUF).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(folder))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    return folder


def write_card(folder: Path, server: FileServer, more: str = "", sha256: str = SHA256) -> Path:
    model = server.put("/m/model.gguf", GGUF)
    projector = server.put("/m/mmproj.gguf", GGUF)
    path = folder / "mine.yaml"
    path.write_text(
        f"name: mine\naliases: [other]\nbackend: llama_cpp\nmodel: {model}\n"
        f"files:\n  - {{path: model.gguf, uri: '{model}', sha256: '{sha256}'}}\n"
        f"  - {{path: mmproj.gguf, uri: '{projector}'}}\noptions: {{mmproj: {projector}}}\n{more}",
        "utf-8",
    )
    return path


@pytest.mark.parametrize("name", ["mine", "other"])
def test_all_files_of_a_card_are_fetched_and_none_is_written(
    folder: Path, tmp_path: Path, server: FileServer, localai: Callable[..., Ended], name: str
) -> None:
    path = write_card(folder, server)
    written = path.read_bytes()
    ended = localai("pull", name)

    assert (ended.code, ended.out) == (0, f"Kept {path}; its files are here. {TRY}\n")
    assert [one.name for one in folder.iterdir()] == ["mine.yaml"]
    assert path.read_bytes() == written
    assert {one.name for one in (tmp_path / "store").rglob("*.gguf")} == {
        "model.gguf", "mmproj.gguf",
    }  # fmt: skip
    before = server.sent
    assert localai("pull", name).out == f"Kept {path}; its files are here already. {TRY}\n"
    assert server.sent == before
    assert localai("card", "check", str(path)).code == 0


def test_the_hash_of_the_card_counts(
    folder: Path, server: FileServer, localai: Callable[..., Ended]
) -> None:
    write_card(folder, server, sha256="0" * 64)
    ended = localai("pull", "mine")

    assert ended.code == 1
    assert "0" * 64 in ended.err
    assert SHA256 in ended.err


def test_the_cards_of_a_profile_are_fetched_by_their_names(
    folder: Path, server: FileServer, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = folder.parent / "profile"
    profile.mkdir()
    write_card(profile, server)
    monkeypatch.setattr("localai.settings.profile_folder", lambda name: profile)

    assert localai("pull", "mine", "--profile", "cpu").code == 0
    sent = server.sent
    assert localai("pull", "mine", "--profile", "cpu", "--force").code == 0
    assert server.sent == 2 * sent
    assert list(folder.iterdir()) == []


def test_a_name_that_no_card_has_is_a_gallerys(folder: Path, localai: Callable[..., Ended]) -> None:
    assert "'no-such-model-anywhere'" in localai("pull", "no-such-model-anywhere").err


def test_a_card_with_its_file_on_this_machine_has_nothing_to_fetch(
    folder: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    (tmp_path / "model.gguf").write_bytes(GGUF)
    text = f"name: local\nbackend: llama_cpp\nmodel: {tmp_path / 'model.gguf'}\n"
    (folder / "local.yaml").write_text(text, "utf-8")

    ended = localai("pull", "local")
    assert ended == (
        0,
        f"Kept {folder / 'local.yaml'}; its model is {tmp_path / 'model.gguf'}: there is nothing "
        "to fetch. Try: localai chat local\n",
        "",
    )
    (tmp_path / "model.gguf").unlink()
    missing = localai("pull", "local")
    assert missing.code == 1
    assert f"{tmp_path / 'model.gguf'} does not exist" in missing.err
    assert "no short name" in localai("pull", "local", "--name", "other").err


@pytest.mark.parametrize("name", ["whisper-1", "gpt-3.5-turbo"])
def test_a_name_that_only_a_profile_has_leads_to_the_profile(
    folder: Path, localai: Callable[..., Ended], name: str
) -> None:
    ended = localai("pull", name)
    assert ended.code == 1
    assert f"`localai pull {name} --profile cpu`" in ended.err
