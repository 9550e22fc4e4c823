"""Which chat template a LocalAI YAML means: its own, one in a file beside it, or the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.importers.imported import Imported
from localai.cards.importers.importing import import_card
from localai.cards.resolved import Meaning
from tests.unit.cards.importers.checking import BACKENDS, check_imported, prompt
from tests.unit.cards.importers.model_files import write_gguf

HI = [["user", "Hi"]]


class Store:
    """Has one model, whatever it is called."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return self._path

    def meaning(self, text: str, /) -> Meaning | None:
        return Meaning(text)

    def damaged(self, path: Path, /) -> str | None:
        return None


def imported(folder: Path, store: Store | None = None, **data: Any) -> Imported:
    path = folder / "model.yaml"
    path.write_text(
        yaml.safe_dump({"name": "m", "parameters": {"model": "m.gguf"}} | data), "utf-8"
    )
    found = import_card(path, BACKENDS, locate=store) if store else import_card(path, BACKENDS)
    check_imported(found, folder)
    return found


@pytest.mark.parametrize("name", ["gpt4all.tmpl", "m.gguf.tmpl"])
def test_a_template_may_lie_in_a_file_beside_the_yaml(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Q: {{.Input}}\nA:")
    template = {} if name == "m.gguf.tmpl" else {"chat": "gpt4all", "completion": "completion"}
    found = imported(tmp_path, template=template)

    assert prompt(found.card["options"]["chat_template"], HI) == "Q: Hi\nA:"


@pytest.mark.parametrize("key", ["chat", "chat_message"])
def test_a_name_without_a_file_is_no_prompt(key: str, tmp_path: Path) -> None:
    found = imported(tmp_path, template={key: "gpt4all"}, roles={"user": "HUMAN:"})

    assert "options" not in found.card
    assert any("there is no file gpt4all.tmpl" in note for note in found.notes)
    assert any(note.startswith("`roles.user`") for note in found.notes)


@pytest.mark.parametrize(
    "data",
    [
        {"roles": {"user": "U:", "assistant": "A:"}},
        {"template": {"function": "{{.Input}} {{toJson .Functions}}"}},
        {"roles": {"user": "U:"}, "template": {"function": "{{.Input}}"}},
    ],
)
def test_labels_and_functions_alone_leave_the_models_own_template(
    data: dict[str, Any], tmp_path: Path
) -> None:
    found = imported(tmp_path, **data)

    assert "options" not in found.card
    assert any("the file's own" in note for note in found.notes)


def test_empty_messages_count_unless_chat_message_writes_them(tmp_path: Path) -> None:
    said = [["system", ""], ["user", "Hi"]]
    plain = imported(tmp_path, template={"chat": "{{.Input}}!"})
    assert prompt(plain.card["options"]["chat_template"], said) == "\nHi!"
    written = imported(tmp_path, template={"chat": "{{.Input}}!", "chat_message": "{{.Content}}"})
    assert prompt(written.card["options"]["chat_template"], said) == "Hi!"


def test_a_system_prompt_goes_before_the_template_of_a_fetched_model(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "elsewhere.gguf")
    data: dict[str, Any] = {
        "parameters": {"model": "hf://org/repo/m.gguf"},
        "system_prompt": "Be kind.",
    }
    before = imported(tmp_path, **data)
    assert any(
        "run `localai pull hf://org/repo/m.gguf` and import again" in note for note in before.notes
    )

    after = imported(tmp_path, Store(model), **data)
    assert after.card["model"] == "hf://org/repo/m.gguf"
    assert prompt(after.card["options"]["chat_template"], HI) == "[system]Be kind.[user]Hi"
    listed: dict[str, Any] = {
        "download_files": [{"filename": "m.gguf", "uri": "hf://org/repo/m.gguf"}],
        "system_prompt": "Be kind.",
    }
    assert "chat_template" in imported(tmp_path, Store(model), **listed).card["options"]


def test_a_file_without_a_template_is_told(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", template=None)
    found = imported(tmp_path, system_prompt="Be kind.")

    assert any("and that has none: write `options.chat_template`" in note for note in found.notes)
