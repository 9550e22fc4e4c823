"""Galleries whose list or copy cannot be read: the others go on, and what mends it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localai.cli.checked_cards import read_cards
from localai.cli.doctor_cards import check_galleries
from localai.settings import load_settings
from tests.unit.cli.ended import Ended
from tests.unit.gallery.samples import ENTRY

Run = Callable[..., Ended]


@pytest.fixture
def team(models: Path, tmp_path: Path, localai: Run) -> Path:
    """The copy of a gallery that was added."""
    path = tmp_path / "team.yaml"
    path.write_text(ENTRY, "utf-8")
    assert localai("gallery", "add", str(path)).code == 0
    return models.parent / "galleries/team.yaml"


@pytest.fixture
def broken_list(models: Path) -> Path:
    path = models.parent / "galleries.yaml"
    path.write_text("x: [", "utf-8")
    return path


def test_the_built_in_models_are_found_beside_a_broken_list(
    broken_list: Path, localai: Run
) -> None:
    found = localai("search", "qwen3-0.6b")

    assert found.code == 0
    assert "qwen3-0.6b" in found.out
    (warning,) = found.err.splitlines()
    assert f"{broken_list}:2: " in warning
    assert "remove the file to start anew" in warning
    shown = localai("gallery", "show", "qwen3-0.6b")
    assert shown.code == 0
    unknown = localai("install", "no-such-model")
    assert str(broken_list) in unknown.err
    assert broken_list.read_text("utf-8") == "x: ["


def test_nothing_is_added_to_a_broken_list(broken_list: Path, tmp_path: Path, localai: Run) -> None:
    (tmp_path / "team.yaml").write_text(ENTRY, "utf-8")
    refused = localai("gallery", "add", str(tmp_path / "team.yaml"))

    assert refused.code == 1
    assert "remove the file to start anew" in refused.err
    assert broken_list.read_text("utf-8") == "x: ["


@pytest.mark.parametrize("damage", ["missing", "empty", "broken"])
def test_a_copy_that_cannot_be_read_is_named_with_its_mend(
    team: Path, localai: Run, damage: str
) -> None:
    if damage == "missing":
        team.unlink()
    else:
        team.write_text("" if damage == "empty" else "[", "utf-8")
    mend = "localai gallery update team"
    calls = (["search", "tiny-chat"], ["install", "tiny-chat"], ["gallery", "list"],
             ["install", "team@tiny-chat"], ["pull", "tiny-chat"])  # fmt: skip

    for words in calls:
        ended = localai(*words)
        assert mend in ended.err, words
        assert ended.err.count(str(team)) == 1, words
    assert localai("gallery", "update", "team").code == 0
    assert localai("search", "tiny-chat").err == ""


def test_the_doctor_names_it_too(team: Path, localai: Run) -> None:
    team.write_text("", "utf-8")
    settings = load_settings()
    (finding,) = check_galleries(settings, read_cards(settings).backends)

    assert finding.level == "warning"
    assert str(team) in finding.what
    assert finding.mend == "localai gallery update team"
    localai("gallery", "update")
    assert list(check_galleries(settings, read_cards(settings).backends)) == []
