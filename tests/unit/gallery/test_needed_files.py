"""What of the store a deleted card leaves: compared by paths, not by names."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localai.cards.resolved import ResolvedCard
from localai.gallery.freeing import free
from localai.store.records import StoredFile, StoredModel
from localai.store.store import Store
from localai.store.whereabouts import Locator
from tests.unit.gallery.resolved_cards import resolved

SIZE = 1000


class Machine:
    """A store with models, and a folder of cards."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.models.mkdir()
        self.store = Store(folder / "store")
        self.locate = Locator(folder / "store")

    def stored(self, reference: str, *names: str) -> StoredModel:
        """Put a model of some files into the store, the first of them the main one."""
        folder = self.store.folder / "hf" / reference.removeprefix("hf://").rpartition("/")[0]
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for name in names:
            (folder / name).write_bytes(bytes(SIZE))
            path = (folder / name).relative_to(self.store.folder).as_posix()
            files.append(StoredFile(path, "0" * 64, SIZE))
        model = StoredModel(reference, folder, folder / names[0], tuple(files))
        self.store.records.put(model)
        return model

    def free(self, card: ResolvedCard, others: Sequence[ResolvedCard]) -> int:
        return free(card, others, self.store)

    def left(self) -> set[str]:
        return {model.reference for model in self.store.list()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_only_this_card_needs_goes_with_projector_and_files(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    eyes = machine.stored("hf://org/eyes/mmproj.gguf", "mmproj.gguf")
    more = machine.stored("hf://org/more/more.txt", "more.txt")
    other = machine.stored("hf://org/b/b.gguf", "b.gguf")
    card = resolved(
        machine.models, "a", machine.locate, model=str(model.model),
        options={"mmproj": str(eyes.model)},
        files=[{"path": str(more.model), "uri": more.reference}],
    )  # fmt: skip
    kept = resolved(machine.models, "b", machine.locate, model=str(other.model))
    assert machine.free(card, [kept]) == 3 * SIZE
    assert machine.left() == {other.reference}


@pytest.mark.parametrize(
    "mention",
    [
        {"description": "hf://org/b/b.gguf"},
        {"description": "https://huggingface.co/org/b/blob/main/b.gguf"},
        {"description": "org/b/b.gguf"},
        {"description": "{path}"},
        {"defaults": {"stop": ["hf://org/b/b.gguf"]}},
        {"options": {"chat_template": "{path}"}},
    ],
    ids=str,
)
def test_what_a_card_only_mentions_stays(machine: Machine, mention: dict[str, Any]) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    other = machine.stored("hf://org/b/b.gguf", "b.gguf")
    said = json.loads(json.dumps(mention).replace("{path}", str(other.model)))
    card = resolved(machine.models, "a", machine.locate, model=str(model.model), **said)
    assert machine.free(card, []) == SIZE
    assert machine.left() == {other.reference}


@pytest.mark.parametrize("spelled", ["file:{path}", "file://{path}", "../models/{relative}"])
def test_a_file_of_the_store_counts_however_its_path_is_spelled(
    machine: Machine, spelled: str
) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    relative = os.path.relpath(model.model, machine.models)
    named = spelled.format(path=model.model, relative=relative)
    card = resolved(machine.models, "a", machine.locate, model=named)
    assert machine.free(card, []) == SIZE
    assert machine.left() == set()


def test_a_copied_card_keeps_the_files(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    # The record names neither card: names do not count.
    card = resolved(machine.models, "a", machine.locate, model=str(model.model))
    copy = resolved(machine.models, "copy", machine.locate, model=str(model.model))
    assert machine.free(card, [copy]) == 0
    assert machine.left() == {model.reference}
    assert machine.free(copy, []) == SIZE
    assert machine.left() == set()


def test_a_copied_record_goes_with_the_last_card(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    machine.store.records.put(replace(model, reference="mine"))
    card = resolved(machine.models, "a", machine.locate, model=str(model.model))
    assert machine.free(card, []) == SIZE
    assert machine.left() == set()


def test_a_reference_counts_as_the_file_that_it_leads_to(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf", "mmproj.gguf")
    by_path = resolved(machine.models, "a", machine.locate, model=str(model.model))
    by_reference = resolved(machine.models, "b", machine.locate, model="huggingface://org/a/a.gguf")
    assert machine.free(by_path, [by_reference]) == 0
    assert machine.free(by_reference, [by_path]) == 0
    assert machine.free(by_reference, []) == 2 * SIZE


def test_a_reference_to_a_model_that_is_not_whole_counts(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf", "second.gguf")
    (model.folder / "second.gguf").unlink()
    card = resolved(machine.models, "a", machine.locate, model=model.reference)
    assert machine.free(card, []) == SIZE
    assert machine.left() == set()


def test_one_file_of_a_model_keeps_all_of_it(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf", "mmproj.gguf")
    eyes = str(model.folder / "mmproj.gguf")
    card = resolved(machine.models, "a", machine.locate, model=str(model.model))
    other = resolved(
        machine.models, "b", machine.locate, model="/elsewhere/b.gguf", options={"mmproj": eyes}
    )
    assert machine.free(card, [other]) == 0
    assert machine.left() == {model.reference}


def test_another_model_of_the_same_folder_stays(machine: Machine) -> None:
    small = machine.stored("hf://org/a/small.gguf", "small.gguf")
    large = machine.stored("hf://org/a/large.gguf", "large.gguf")
    card = resolved(machine.models, "a", machine.locate, model=str(small.model))
    assert machine.free(card, []) == SIZE
    assert machine.left() == {large.reference}


def test_a_persons_own_file_is_never_touched(machine: Machine, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(bytes(SIZE))
    card = resolved(machine.models, "a", machine.locate, model=str(own))
    assert machine.free(card, []) == 0
    assert own.exists()


@pytest.mark.parametrize("how", ["path", "reference", "unreadable"])
def test_what_a_card_of_another_folder_needs_stays_as_long_as_it_does(
    machine: Machine, tmp_path: Path, how: str
) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    named = {"path": str(model.model), "reference": model.reference}.get(how, "{")
    other = tmp_path / "other.yaml"
    other.write_text(f"name: a\nbackend: llama_cpp\nmodel: {named}\n")
    card = resolved(machine.models, "a", machine.locate, model=str(model.model))
    for path in (card.path, other):
        machine.store.note_card(model, path)
    assert machine.free(card, []) == 0
    assert machine.left() == {model.reference}
    other.write_text("name: a\nbackend: llama_cpp\nmodel: hf://org/b/b.gguf\n")
    assert machine.free(card, []) == SIZE
    assert machine.left() == set()


def test_older_records_name_cards_without_their_folder(machine: Machine) -> None:
    model = machine.stored("hf://org/a/a.gguf", "a.gguf")
    machine.store.records.put(replace(model, cards=("a", "b")))
    card = resolved(machine.models, "a", machine.locate, model=str(model.model))
    assert machine.free(card, []) == SIZE
