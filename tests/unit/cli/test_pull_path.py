"""`localai pull PATH` of what comes from LocalAI or Ollama."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cards.importers.model_files import write_gguf
from tests.unit.cli.ended import Ended

Run = Callable[..., Ended]


@pytest.mark.parametrize("name", ["one.yaml", "Modelfile", "mario.modelfile", "."])
def test_a_description_is_no_model(models: Path, tmp_path: Path, localai: Run, name: str) -> None:
    theirs = tmp_path / "their models"
    theirs.mkdir()
    write_gguf(theirs / "g.gguf")
    (theirs / "one.yaml").write_text("name: one\nparameters: {model: g.gguf}\n")
    for file in ("Modelfile", "mario.modelfile"):
        (theirs / file).write_text("FROM ./g.gguf\n")
    path = theirs / name
    ended = localai("pull", str(path))

    assert ended.code == 1
    assert f"`localai card import '{path}' --output {models}` makes cards of it" in ended.err
    assert list(models.iterdir()) == []


def test_a_file_of_ollamas_is_called_as_it_says(models: Path, tmp_path: Path, localai: Run) -> None:
    blob = write_gguf(tmp_path / f"sha256-{'a1' * 32}")

    assert localai("pull", str(blob)).out.startswith(f"Wrote {models / 'a-model.yaml'}. ")
    assert localai("pull", str(blob)).out.startswith(f"Kept {models / 'a-model.yaml'}. ")
