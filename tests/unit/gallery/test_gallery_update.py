"""What an update does with the parts of a gallery that do not come."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import ModelNotFound
from localai.gallery.galleries import Galleries, builtin_gallery
from localai.store.errors import FetchFailed
from tests.unit.gallery.samples import BACKENDS, Web

INDEX = "https://example.org/theirs/index.yaml"
BASE = "https://example.org/theirs/base.yaml"
ENTRIES = (
    f"- {{name: based, url: '{BASE}', files: [{{filename: a.gguf, uri: 'hf://o/r/a.gguf'}}]}}\n"
)
CONFIG = "name: base\nconfig_file: |\n  backend: llama-cpp\n  parameters: {model: a.gguf}\n"


class Failing(Web):
    """A web of which some addresses answer 503."""

    def __call__(self, url: str) -> str:
        if url not in self.files:
            raise FetchFailed(f"{url} answered 503.")
        return super().__call__(url)


@pytest.fixture
def galleries(tmp_path: Path) -> Galleries:
    return Galleries(tmp_path, builtin_gallery(), BACKENDS)


def test_a_base_that_does_not_come_leaves_the_former_entry(galleries: Galleries) -> None:
    galleries.add(INDEX, Web({INDEX: ENTRIES, BASE: CONFIG}), "theirs")
    updated = galleries.update("theirs", Failing({INDEX: ENTRIES}))

    assert list(updated.entries) == ["based"]
    assert updated.unusable == {}
    assert galleries.find("theirs@based").backend == "llama_cpp"


def test_without_a_former_entry_it_says_what_to_do(galleries: Galleries) -> None:
    galleries.add(INDEX, Failing({INDEX: ENTRIES}), "theirs")
    with pytest.raises(ModelNotFound, match="answered 503; run `localai gallery update`"):
        galleries.find("theirs@based")
    galleries.update("theirs", Web({INDEX: ENTRIES, BASE: CONFIG}))
    assert galleries.find("theirs@based").files[0].path == "a.gguf"
