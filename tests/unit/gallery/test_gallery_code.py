"""No gallery lets a model's repository run its own code."""

from __future__ import annotations

from pathlib import Path

from localai.gallery.code_running import REASON
from localai.gallery.galleries import Galleries, builtin_gallery
from localai.gallery.lint import lint
from tests.unit.gallery.samples import BACKENDS, ENTRY, Web, gallery

CODE = ENTRY.replace("llama_cpp", "sentence_transformers").replace("chat, completion", "embedding")
SWITCHED_ON = CODE + "    card: {options: {trust_remote_code: true}}\n"


def test_such_an_entry_is_listed_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(SWITCHED_ON, "utf-8")
    galleries = Galleries(tmp_path, builtin_gallery(), BACKENDS)
    index = galleries.add(str(path), Web({}))

    assert index.entries == {}
    assert index.unusable["tiny-chat"].reason == REASON
    again = galleries.all()[1]
    assert (again.entries, again.unusable["tiny-chat"].reason) == ({}, REASON)


def test_the_check_names_the_line() -> None:
    found = lint(gallery(SWITCHED_ON), BACKENDS)
    assert [str(problem) for problem in found.problems] == [
        f"gallery.yaml:11: card.options.trust_remote_code: {REASON}"
    ]
    assert lint(gallery(SWITCHED_ON.replace("true", "false")), BACKENDS).problems == ()
