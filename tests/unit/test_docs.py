"""The pages that list things list all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localai import __version__
from localai.cards.schema import Card, CardFile, Limits
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder

ROOT = Path(__file__).parents[2]
CARDS_PAGE = (ROOT / "docs" / "cards.md").read_text("utf-8")
BACKENDS = read_manifests(builtin_backends_folder())


@pytest.mark.parametrize("part", [Card, CardFile, Limits])
def test_every_key_of_a_card_is_documented(
    part: type[Card] | type[CardFile] | type[Limits],
) -> None:
    missing = [key for key in part.model_fields if f"| `{key}` |" not in CARDS_PAGE]
    assert missing == []


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_every_option_of_a_backend_is_documented(backend: str) -> None:
    section = CARDS_PAGE.partition(f"### `{backend}`\n")[2].partition("\n### ")[0]
    for name, option in BACKENDS[backend][1].options.items():
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{name}` |")]
        assert " ".join(option.description.split()) in row
        if option.default not in (None, []):
            assert f"| `{str(option.default).lower()}` |" in row.lower()


def test_architecture_page_names_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    packages = [path.parent for path in (ROOT / "localai").glob("*/__init__.py")]
    assert [p.name for p in packages if f"`localai/{p.name}/`" not in page] == []


def test_changelog_is_ready_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)[0]
    assert newest in {"Unreleased", __version__}
