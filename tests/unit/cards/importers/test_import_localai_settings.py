"""LocalAI's settings as people spell them: each becomes a card that passes its check, or a note."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.importers.imported import CannotImport, Imported
from localai.cards.importers.importing import import_card
from localai.cards.importers.yaml_documents import read_documents
from tests.unit.cards.importers.checking import BACKENDS, check_imported


def imported(folder: Path, text: str) -> Imported:
    """Import what a language model's YAML says further."""
    path = folder / "model.yaml"
    path.write_text(
        f"name: m\nbackend: llama-cpp\nparameters: {{model: m.gguf}}\n{text}\n", "utf-8"
    )
    found = import_card(path, BACKENDS)
    check_imported(found, folder)
    return found


def noted(found: Imported, *parts: str) -> bool:
    return any(all(part in note for part in parts) for note in found.notes)


def test_numbers_may_be_spelled_as_texts(tmp_path: Path) -> None:
    found = imported(tmp_path, "context_size: '8192'\nthreads: 4.0\nlimits: {max_concurrent: '4'}")
    assert found.card["limits"] == {"context": 8192, "max_concurrent": 4}
    assert found.card["options"] == {"n_threads": 4}
    assert imported(tmp_path, "context_size: 4096.0").card["limits"]["context"] == 4096
    assert noted(imported(tmp_path, "context_size: many"), "`context_size` is left out")


def test_the_context_of_the_options_is_the_limit_too(tmp_path: Path) -> None:
    found = imported(tmp_path, "context_size: 4096\noptions: ['ctx_size:2048']")

    assert found.card["limits"]["context"] == 2048
    assert "options" not in found.card
    assert noted(found, "ctx_size:2048", "takes the place of what `context_size` says (4096)")


@pytest.mark.parametrize(("context", "most"), [(4096, 2), (16384, 2), (131072, 1)])
def test_conversations_are_few_where_each_has_a_whole_context(
    context: int, most: int, tmp_path: Path
) -> None:
    found = imported(tmp_path, f"context_size: {context}")

    assert found.card["limits"] == {"context": context, "max_concurrent": most}
    assert noted(found, f"`limits.max_concurrent` is {most}")
    explicit = imported(tmp_path, f"context_size: {context}\noptions: ['parallel:3']")
    assert explicit.card["limits"]["max_concurrent"] == 3


@pytest.mark.parametrize(
    ("uses", "capabilities"),
    [
        ("[FLAG_CHAT, FLAG_EMBEDDINGS]", ["embedding"]),
        ("[Completion]", ["completion"]),
        ("[FLAG_CHAT, flag_completion, LLM]", None),
    ],
)
def test_uses_are_known_in_each_spelling(
    uses: str, capabilities: list[str] | None, tmp_path: Path
) -> None:
    found = imported(tmp_path, f"known_usecases: {uses}")

    assert found.card.get("capabilities") == capabilities
    assert not noted(found, "The use `")


def test_a_reranker_is_refused_by_its_flag(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="ranks texts"):
        imported(tmp_path, "known_usecases: [FLAG_RERANK]")


def test_what_is_said_twice_is_said(tmp_path: Path) -> None:
    found = imported(tmp_path, "gpu_layers: 0\noptions: ['gpu_layers:20', 'n_gpu_layers:-1']")

    assert found.card["options"] == {"n_gpu_layers": -1}
    assert noted(found, "gpu_layers:20", "takes the place of what `gpu_layers` says (0)")
    assert noted(
        found, "n_gpu_layers:-1", "takes the place of what `options: gpu_layers:20` says (20)"
    )


def test_one_bad_stop_does_not_cost_the_others(tmp_path: Path) -> None:
    found = imported(tmp_path, "stopwords: ['', null, 5, a, {b: c}]")

    assert found.card["defaults"] == {"stop": ["5", "a"]}
    assert sum("`stopwords`" in note for note in found.notes) == 3


def test_what_is_lost_is_told_by_its_keys(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        "mirostat: 2\nthreads: 0\npinned: false\nsystem_prompt: Be kind.\n"
        "function: {parallel_calls: true}\ncontext_size: many\nknown_usecases: [image, vision]\n"
        "download_files: [{filename: a, uri: 'hf://a/b/c', mode: 1}]\nstopwords: [a, b, c, d, e]",
    )
    assert {key for note in found.lost for key in note.keys} == {
        "mirostat", "function.parallel_calls", "context_size", "system_prompt", "known_usecases",
        "download_files[0].mode", "stopwords",
    }  # fmt: skip
    assert {note.text for note in found.lost} < set(found.notes)
    assert noted(found, "`threads` (0) is left out", "says the same as leaving it out")


def test_an_error_tells_its_reason_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(CannotImport) as raised:
        imported(tmp_path, "known_usecases: [FLAG_RERANK]")
    assert raised.value.reason == "its model ranks texts, and no backend here does."
    assert raised.value.message == f"{tmp_path / 'model.yaml'}: {raised.value.reason}"


def test_foreign_code_is_never_switched_on(tmp_path: Path) -> None:
    for said in ("trust_remote_code: true", "options: ['trust_remote_code:true']"):
        path = tmp_path / "model.yaml"
        model = "name: m\nbackend: sentencetransformers\nparameters: {model: org/m}\n"
        path.write_text(model + said)
        found = import_card(path, BACKENDS)
        check_imported(found, tmp_path)
        assert "options" not in found.card
        assert noted(found, "write `trust: true` into the card, and `options.trust_remote_code")


def documents(folder: Path, text: str) -> list[Any]:
    path = folder / "documents.yaml"
    path.write_text(text, "utf-8")
    return read_documents(path)


def test_names_keep_their_spelling(tmp_path: Path) -> None:
    text = "{name: 1.10, alias: 007, roles: {user: 1.0}, parameters: {model: 2024, top_p: 0.5}}"
    assert documents(tmp_path, text) == [
        {
            "name": "1.10",
            "alias": "007",
            "roles": {"user": "1.0"},
            "parameters": {"model": "2024", "top_p": 0.5},
        }
    ]


def test_yaml_is_read_as_go_reads_it(tmp_path: Path) -> None:
    assert documents(tmp_path, r'''a: "it\'s"''') == [{"a": "it's"}]


def test_each_document_has_anchors_of_its_own(tmp_path: Path) -> None:
    text = "a: &x [1, null]\nname: ~\n---\n---\n~\n---\n- {b: &x on, model: [1.10], c: *x}\n"
    assert documents(tmp_path, text) == [
        {"a": [1, None], "name": None},
        [{"b": "on", "model": [1.1], "c": "on"}],
    ]
    with pytest.raises(CannotImport, match=r"documents\.yaml:3: .* no anchor '&x' before this\."):
        documents(tmp_path, "a: &x 1\n---\nb: *x\n")


@pytest.mark.parametrize(
    "limits", [{"context_size": 0.5}, {"context_size": "nan"}, {"context_size": [1]}]
)
def test_odd_values_are_notes_and_no_crash(limits: dict[str, Any], tmp_path: Path) -> None:
    assert noted(imported(tmp_path, yaml.safe_dump(limits)), "`context_size` is left out")
