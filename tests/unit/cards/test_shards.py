"""Names of models in several files."""

from __future__ import annotations

import pytest

from localai.cards.shards import Shard, shard_of, shards_of, without_number
from localai.references import UrlReference
from localai.store.transports import url


def test_any_part_tells_all_of_them() -> None:
    shard = shard_of("Q4/big-3.2-00002-of-00003.gguf")

    assert shard == Shard("Q4/big-3.2", 2, 3, ".gguf")
    assert shards_of("Q4/big-3.2-00002-of-00003.gguf") == [
        f"Q4/big-3.2-0000{number}-of-00003.gguf" for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("model.fp16-00001-of-00002.safetensors", "model.fp16.safetensors"),
        ("model-00001-of-00002.fp16.safetensors", "model.fp16.safetensors"),
        ("m-00001-of-00001.GGUF", "m.GGUF"),
    ],
)
def test_a_part_knows_the_name_of_the_whole(name: str, whole: str) -> None:
    assert without_number(name) == whole


@pytest.mark.parametrize(
    "name",
    [
        "small.gguf", "m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "m-00001-of-99999.gguf",
        "m-1-of-2.gguf", "m-00001-of-00002",
    ],
)  # fmt: skip
def test_other_names_are_whole_files(name: str) -> None:
    assert shard_of(name) is None
    assert (shards_of(name), without_number(name)) == ([name], name)


def test_an_address_leads_to_all_parts_under_their_own_names() -> None:
    found = url.resolve(UrlReference("https://host/a/my%20m-00001-of-00002.gguf?x=1"))

    assert [file.path for file in found.files] == [
        "my m-00001-of-00002.gguf", "my m-00002-of-00002.gguf",
    ]  # fmt: skip
    assert found.files[1].url == "https://host/a/my%20m-00002-of-00002.gguf?x=1"
    assert found.model == "my m-00001-of-00002.gguf"
