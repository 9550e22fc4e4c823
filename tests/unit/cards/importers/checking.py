"""What every imported card must be, and how prompts read by its template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from backends.llama_cpp.template import ChatTemplate
from localai.cards.importers.imported import Imported
from localai.cards.reading import check_card
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder

DATA = Path(__file__).parents[3] / "data"
BACKENDS = read_manifests(builtin_backends_folder())
CONVERSATION = [["system", "Be brief."], ["user", "Hi"], ["assistant", "Hello"], ["user", "Who?"]]


def check_imported(imported: Imported, folder: Path) -> None:
    """Fail unless the card, written to a file, is without mistakes."""
    path = folder / "written-card.yaml"
    path.write_text(yaml.safe_dump(imported.card), "utf-8")
    assert [str(problem) for problem in check_card(path, BACKENDS).problems] == []
    path.unlink()


def prompt(template: str, conversation: Sequence[Sequence[str]], **more: Any) -> str:
    """Return what the model reads of a conversation."""
    messages = [{"role": role, "content": text} for role, text in conversation]
    written = ChatTemplate(template, bos="", eos="")
    return written.render([message | more for message in messages])


def without_template(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card without its chat template, which has tests of its own."""
    options = {key: v for key, v in card.get("options", {}).items() if key != "chat_template"}
    rest = {key: value for key, value in card.items() if key != "options"}
    return rest | ({"options": options} if options else {})
