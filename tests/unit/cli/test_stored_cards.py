"""Which cards `list`, `show`, `rm`, `cp`, `export` and `prune` know, and which files they need."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from localai.settings import profile_folder
from localai.store.records import Records, StoredFile, StoredModel
from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf

Run = Callable[..., Ended]
GGUF = minimal_gguf()
REFERENCE = "hf://org/tiny:Q8_0"
FILE = "hf/org/tiny/tiny-Q8_0.gguf"


@pytest.fixture
def stored(tmp_path: Path, models: Path) -> StoredModel:
    return put(tmp_path / "store", REFERENCE, FILE)


def put(store: Path, reference: str, *paths: str) -> StoredModel:
    """Put a model into the store, as a pull does; the first path is its main file."""
    files = []
    for number, path in enumerate(paths):
        content = GGUF + bytes(number)
        (store / path).parent.mkdir(parents=True, exist_ok=True)
        (store / path).write_bytes(content)
        files.append(StoredFile(path, f"{number:064x}", len(content), "model"))
    main = store / paths[0]
    model = StoredModel(reference, main.parent, main, tuple(files), pulled=1.0)
    Records(store).put(model)
    return model


def card(path: Path, **content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"name": path.stem, "backend": "llama_cpp"} | content), "utf-8")
    return path


def names(localai: Run, *options: str) -> list[str]:
    return [one["name"] for one in json.loads(localai("list", "--json", *options).out)]


# --- cards in folders below ---


def test_a_card_in_a_folder_keeps_its_files(
    stored: StoredModel, models: Path, localai: Run
) -> None:
    card(models / "m.yaml", model=str(stored.model))
    card(models / "team/n.yaml", model=str(stored.model))

    assert names(localai) == ["m", "n"]
    assert "stay for n" in localai("rm", "m").out
    assert stored.model.exists()
    assert localai("rm", "n").code == 0
    assert not stored.model.exists()


def test_prune_leaves_a_file_that_a_card_in_a_folder_names(
    stored: StoredModel, models: Path, tmp_path: Path, localai: Run
) -> None:
    loose = tmp_path / "store/url/own.gguf"
    loose.parent.mkdir()
    loose.write_bytes(GGUF)
    card(models / "team/own.yaml", model="../../store/url/own.gguf")

    localai("prune", "--all")
    assert loose.exists()


def test_a_copy_lies_beside_its_card_so_that_its_paths_lead_to_the_same(
    models: Path, localai: Run
) -> None:
    (models / "team").mkdir()
    (models / "team/own.gguf").write_bytes(GGUF)
    card(models / "team/m.yaml", model="own.gguf")

    assert localai("cp", "m", "copy").code == 0
    assert localai("card", "check", str(models / "team/copy.yaml")).code == 0


# --- files that options name ---


@pytest.mark.parametrize("by_reference", [True, False])
def test_rm_leaves_the_file_that_another_card_names_in_its_options(
    stored: StoredModel, models: Path, localai: Run, by_reference: bool
) -> None:
    named = REFERENCE if by_reference else str(stored.model)
    card(models / "tiny.yaml", model=str(stored.model))
    card(models / "sees.yaml", model="none.gguf", options={"mmproj": named})

    refused = localai("rm", REFERENCE)
    assert refused.code == 1
    assert "sees" in refused.err
    assert "stay for sees" in localai("rm", "tiny").out
    assert stored.model.exists()


# --- a store that is reached by another path ---


@pytest.mark.parametrize("how", ["link", "dots"])
def test_a_store_by_another_path_is_the_same_store(
    stored: StoredModel,
    models: Path,
    tmp_path: Path,
    localai: Run,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store")
    other = tmp_path / "link" if how == "link" else Path("../store")
    monkeypatch.chdir(models)
    card(models / "m.yaml", model=str(stored.model))
    card(models / "n.yaml", model=str(tmp_path / "link" / FILE))
    option = ("--store", str(other))

    assert names(localai, *option) == ["m", "n"]
    assert json.loads(localai("show", "n", "--json", *option).out)["reference"] == REFERENCE
    tar = tmp_path / "n.tar"
    assert localai("export", "n", str(tar), *option).code == 0
    with tarfile.open(tar) as opened:
        texts = [opened.extractfile(one) for one in opened if one.name.endswith(".yaml")]
        assert [yaml.safe_load(text)["model"] for text in texts if text] == [f"{{store}}/{FILE}"]
    assert "stay for n" in localai("rm", "m", *option).out
    assert "kB became free" in localai("rm", "n", *option).out
    assert not stored.model.exists()


# --- several names of one model ---


def test_one_model_under_several_references_is_one_line_and_one_removal(
    stored: StoredModel, models: Path, tmp_path: Path, localai: Run
) -> None:
    records = Records(tmp_path / "store")
    for more in ("hf://org/tiny:q8_0", "hf://org/tiny/tiny-Q8_0.gguf"):
        records.put(replace(stored, reference=more))
    card(models / "tiny.yaml", model=str(stored.model))

    assert names(localai) == ["tiny"]
    assert "kB became free" in localai("rm", "tiny").out
    assert not stored.model.exists()
    assert records.all() == []


# --- cards that ship ---


def fetched_for_the_profile(tmp_path: Path) -> StoredModel:
    content = yaml.safe_load((profile_folder("cpu") / "embeddings.yaml").read_text("utf-8"))
    name = content["files"][0]["path"]
    return put(tmp_path / "store", content["model"], f"hf/ggml-org/embeddinggemma/{name}")


def test_a_profile_s_names_are_known(models: Path, tmp_path: Path, localai: Run) -> None:
    model = fetched_for_the_profile(tmp_path)
    profile = ("--profile", "cpu")

    assert names(localai, *profile) == ["text-embedding-ada-002"]
    shown = localai("show", "text-embedding-ada-002", "--json", *profile)
    assert json.loads(shown.out)["reference"] == model.reference
    tar = tmp_path / "x.tar"
    assert localai("export", "text-embedding-ada-002", str(tar), *profile).code == 0
    ended = localai("rm", "text-embedding-ada-002", *profile)
    assert "ships with LocalAI" in ended.out
    assert not model.model.exists()
    assert (profile_folder("cpu") / "embeddings.yaml").exists()
    again = localai("rm", "text-embedding-ada-002", *profile)
    assert (again.code, "no file of it is in the store" in again.err) == (1, True)


def test_a_starter_is_shown_and_copied_but_not_listed(models: Path, localai: Run) -> None:
    assert names(localai) == []
    assert localai("show", "starter-chat").code == 0
    assert localai("cp", "starter-chat", "mine").code == 0
    assert localai("card", "check", str(models / "mine.yaml")).code == 0
    assert os.path.isabs(yaml.safe_load((models / "mine.yaml").read_text("utf-8"))["model"])
    assert localai("rm", "starter-chat").code == 1
