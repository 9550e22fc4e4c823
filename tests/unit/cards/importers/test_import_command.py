from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cards.importers.model_files import write_gguf
from tests.unit.cli.ended import Ended
from tests.unit.cli.run_here import run_here


@pytest.fixture
def localai(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run a command in this process, away from the user's own files."""
    for name in [name for name in os.environ if name.startswith("LOCALAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def run(*arguments: str) -> Ended:
        return run_here(capsys, *arguments)

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "m.gguf", template=None)


def test_the_card_is_printed_and_notes_go_to_stderr(
    model: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("card", "import", str(model), "--name", "mine")

    assert ended.code == 0
    assert yaml.safe_load(ended.out) == {
        "name": "mine", "description": "A Model", "backend": "llama_cpp", "model": str(model),
    }  # fmt: skip
    reason, note = ended.err.splitlines()
    assert "llama_cpp runs it" in reason
    assert "ChatML" in note


def test_a_written_card_passes_the_check(
    model: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(
        'FROM ./m.gguf\nSYSTEM Be kind.\nTEMPLATE """{{ range .Messages }}\n{{ .Role }}: '
        '{{ .Content }}\n{{ end }}"""\n'
    )
    card = tmp_path / "card.yaml"

    assert localai("card", "import", modelfile.as_uri(), "--output", str(card)).out == ""
    assert localai("card", "check", str(card)) == (0, f"{card}: ok (m)\n", "")
    assert "chat_template: |" in card.read_text("utf-8")


def test_another_card_is_only_replaced_by_force(
    model: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    card = tmp_path / "m.yaml"
    card.write_text("name: other\n")
    arguments = ("card", "import", str(model), "--output", str(tmp_path))
    refused = localai(*arguments)

    assert refused.code == 1
    assert "--force" in refused.err
    assert card.read_text() == "name: other\n"
    assert localai(*arguments, "--force").code == 0
    assert yaml.safe_load(card.read_text())["model"] == str(model)


def test_several_models_need_a_folder(tmp_path: Path, localai: Callable[..., Ended]) -> None:
    source = tmp_path / "models.yaml"
    source.write_text(
        "- {name: a/b, parameters: {model: a.gguf}}\n- {name: c, parameters: {model: c.gguf}}\n"
    )
    printed = localai("card", "import", str(source))
    assert [card["name"] for card in yaml.safe_load_all(printed.out)] == ["a/b", "c"]
    assert "c: The model's file 'c.gguf' is not here" in printed.err

    refused = localai("card", "import", str(source), "--output", str(tmp_path / "one.yaml"))
    assert "give a folder" in refused.err
    (tmp_path / "cards").mkdir()
    assert localai("card", "import", str(source), "--output", str(tmp_path / "cards")).code == 0
    assert sorted(path.name for path in (tmp_path / "cards").iterdir()) == ["a-b.yaml", "c.yaml"]
    assert "cannot share a name" in localai("card", "import", str(source), "--name", "x").err


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("hf://org/repo", "is not on this machine, and HF_HUB_OFFLINE forbids to ask"),
        ("llama3.2:3b", "`localai pull ollama://llama3.2:3b`"),
        ("nothing of the sort", "does not name a model"),
        ("none.gguf", "does not exist"),
        ("pyproject.toml", "no model that a backend here runs"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    source: str, reason: str, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ended = localai("card", "import", source)

    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err


def test_a_name_that_no_model_can_have_is_refused(
    model: Path, localai: Callable[..., Ended]
) -> None:
    assert "cannot be a model's name" in localai("card", "import", str(model), "--name", "a b").err


@pytest.mark.parametrize("named", ["tiny", "small"])
def test_a_modelfile_may_begin_with_a_model_that_is_here(
    tmp_path: Path, localai: Callable[..., Ended], named: str
) -> None:
    models = tmp_path / "models"
    weights = write_gguf(tmp_path / "weights.gguf")
    models.mkdir()
    (models / "tiny.yaml").write_text(
        f"name: tiny\naliases: [small]\nbackend: llama_cpp\nmodel: {weights}\n"
    )
    (tmp_path / "Modelfile").write_text(f"FROM {named}\nSYSTEM You are Mario.\n")
    command = ("card", "import", str(tmp_path / "Modelfile"), "--models", str(models))
    ended = localai(*command, "--name", "mario", "--output", str(models))

    assert ended.code == 0, ended.err
    card = yaml.safe_load((models / "mario.yaml").read_text())
    assert card["model"] == str(weights)
    assert "You are Mario." in card["options"]["chat_template"]
    unnamed = localai(*command)
    assert unnamed.code == 1
    assert "say with --name what the new one is called" in unnamed.err
