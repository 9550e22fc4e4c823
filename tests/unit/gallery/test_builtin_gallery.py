"""The gallery that ships with LocalAI."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.gallery.card_of import card_of
from localai.gallery.entry import Entry
from localai.gallery.fit import FreeMemory, estimate, fit
from localai.gallery.galleries import builtin_gallery
from localai.gallery.index import load_gallery
from localai.gallery.lint import lint
from localai.protocol.capabilities import Capability
from localai.references import HubReference, parse_reference
from tests.unit.gallery.samples import BACKENDS

INDEX = load_gallery(builtin_gallery())
# The repositories of the other backends hold more than the weights that are loaded.
WEIGHTS_ALONE = [
    one for one in INDEX.entries.values() if one.backend in {"llama_cpp", "faster_whisper", "piper"}
]


def test_nothing_is_wrong_in_it() -> None:
    linted = lint(INDEX, BACKENDS)
    assert [str(problem) for problem in linted.problems] == []
    assert linted.sizeless == ()


def test_any_machine_can_chat() -> None:
    need = estimate(INDEX.entries["qwen3-0.6b"])
    assert need is not None
    assert need.on_cpu < 2 << 30


def test_every_kind_of_model_is_in_it() -> None:
    offered = {one for entry in INDEX.entries.values() for one in entry.capabilities}
    assert offered == set(Capability) - {Capability.HEARING}


@pytest.mark.parametrize("capability", sorted(set(Capability) - {Capability.HEARING}))
def test_a_small_machine_finds_something(capability: Capability) -> None:
    able = [one for one in INDEX.entries.values() if capability in one.capabilities]
    assert any(fit(one, FreeMemory(8 << 30)).fits for one in able)


@pytest.mark.parametrize("entry", INDEX.entries.values(), ids=lambda entry: entry.name)
def test_an_entry_is_complete(entry: Entry) -> None:
    assert entry.licence not in {None, "other", "unknown"}
    assert entry.footprint is not None
    assert entry.description.endswith(".")
    assert "iB" not in entry.description  # as everywhere, a kilobyte is 1000 bytes
    assert fit(entry, FreeMemory(1 << 40)).fits
    assert all(isinstance(parse_reference(file.uri), HubReference) for file in entry.files)


@pytest.mark.parametrize("entry", WEIGHTS_ALONE, ids=lambda entry: entry.name)
def test_sizes_and_weights_agree(entry: Entry) -> None:
    assert entry.footprint is not None
    assert entry.download_size == pytest.approx(entry.footprint.weight_bytes, rel=0.02)


@pytest.mark.parametrize("entry", INDEX.entries.values(), ids=lambda entry: entry.name)
def test_a_card_s_files_have_names_of_their_own(entry: Entry) -> None:
    card = card_of(entry, {file.path: Path("/store") / file.path for file in entry.files})
    assert card["model"] == f"/store/{entry.files[0].path}"
    assert len({file["path"] for file in card["files"]}) == len(entry.files)
