from __future__ import annotations

from typing import get_args

import pytest
import yaml

from localai.gallery.galleries import galleries_of
from localai.hardware.profile_needs import DOWNLOADS, MEMORY, download_bytes, shortages
from localai.hardware.profiles import Profile
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder, load_settings, profile_folder

GB, GIB = 10**9, 2**30
NAMES: tuple[Profile, ...] = get_args(Profile)


@pytest.mark.parametrize("profile", NAMES)
def test_every_model_of_a_profile_has_its_size(profile: Profile) -> None:
    cards = [yaml.safe_load(p.read_text("utf-8")) for p in profile_folder(profile).glob("*.yaml")]

    assert {card["name"] for card in cards} == set(DOWNLOADS[profile])
    assert profile in MEMORY


@pytest.mark.parametrize("profile", NAMES)
def test_the_sizes_are_not_below_what_the_gallery_knows(profile: Profile) -> None:
    backends = read_manifests(builtin_backends_folder())
    known: dict[str, int] = {}
    for index in galleries_of(load_settings(), backends).all():
        for entry in index.entries.values():
            known |= {file.uri: file.size for file in entry.files if file.size is not None}
    for path in profile_folder(profile).glob("*.yaml"):
        card = yaml.safe_load(path.read_text("utf-8"))
        uris = [file["uri"] for file in card.get("files", ())] or [card["model"]]
        least = sum(known.get(uri, 0) for uri in uris)
        assert least <= DOWNLOADS[profile][card["name"]] * GB


def test_a_small_machine_is_told_what_is_short() -> None:
    memory, disk = shortages("cpu", list(DOWNLOADS["cpu"]), 2 * GIB, 3 * GB)

    assert memory == (
        "The largest model of the profile cpu needs about 8 GiB of memory, and there are 2.0 here"
    )
    assert disk == (
        "The models of the profile cpu that are not here yet have about 10.3 GB, and 3.0 GB are "
        "free for them"
    )


def test_what_is_here_takes_no_more_room() -> None:
    assert download_bytes("cpu", []) == 0
    assert shortages("cpu", [], 64 * GIB, 0) == []
    assert shortages("gpu-8g", ["tts-1"], 64 * GIB, 10**9) == []
    assert shortages("cpu", ["gpt-4"], 64 * GIB, None) == []


def test_what_is_sold_as_8_gb_is_enough() -> None:
    assert shortages("cpu", [], int(7.6 * GIB), None) == []
    assert shortages("cpu", [], 0, None) == []  # nobody knows
