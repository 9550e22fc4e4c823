from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from localai.amounts import GB
from localai.cli.profile_needs import needs_of, shortages
from localai.gallery.galleries import galleries_of
from localai.hardware.profiles import Profile
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder, load_settings, profile_folder

GIB = 2**30
NAMES: tuple[Profile, ...] = get_args(Profile)
NOT_IN_THE_GALLERY = {"hf://stabilityai/sd-turbo"}


def cards_of(profile: Profile) -> Iterator[dict[str, Any]]:
    for path in profile_folder(profile).glob("*.yaml"):
        yield yaml.safe_load(path.read_text("utf-8"))


def references_of(card: dict[str, Any]) -> frozenset[str]:
    named = [file["uri"] for file in card.get("files", ())] or [card["model"]]
    # Of a pipeline in several precisions the gallery has the whole.
    return frozenset(one.removesuffix(":fp16") for one in named)


@pytest.fixture(scope="module")
def known() -> dict[frozenset[str], int]:
    """What the gallery knows to be downloaded for the files of each of its models."""
    galleries = galleries_of(load_settings(), read_manifests(builtin_backends_folder()))
    return {
        frozenset(file.uri for file in entry.files): entry.download_size
        for index in galleries.all()
        for entry in index.entries.values()
        if entry.download_size is not None
    }


@pytest.mark.parametrize("profile", NAMES)
def test_every_model_of_a_profile_has_its_size(profile: Profile) -> None:
    needs = needs_of(profile)
    assert {card["name"] for card in cards_of(profile)} == set(needs.downloads)
    assert needs.memory > 0


@pytest.mark.parametrize("profile", NAMES)
def test_the_sizes_are_about_what_the_gallery_knows(
    profile: Profile, known: dict[frozenset[str], int]
) -> None:
    needs = needs_of(profile)
    for card in cards_of(profile):
        size, references = needs.downloads[card["name"]], references_of(card)
        if not references & NOT_IN_THE_GALLERY:
            assert known[references] <= size < known[references] + 0.1 * GB


def test_a_small_machine_is_told_what_is_short() -> None:
    memory, disk = shortages("cpu", list(needs_of("cpu").downloads), 2 * GB, 3 * GB)

    assert memory == (
        "The largest model of the profile cpu needs about 8.0 GB of memory, and there are 2.0 GB "
        "here"
    )
    assert disk == (
        "The models of the profile cpu that are not here yet have about 10.3 GB, and 3.0 GB are "
        "free for them"
    )


def test_what_is_here_takes_no_more_room() -> None:
    assert shortages("cpu", [], 64 * GB, 0) == []
    assert shortages("gpu-8g", ["tts-1"], 64 * GB, GB) == []
    assert shortages("cpu", ["gpt-4"], 64 * GB, None) == []


def test_what_is_sold_as_8_gb_is_enough() -> None:
    assert shortages("cpu", [], int(7.2 * GIB), None) == []
    assert shortages("cpu", [], 0, None) == []  # nobody knows
