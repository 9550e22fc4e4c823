"""LocalAI's YAMLs in a folder of cards: told as what they are, with what makes cards of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.catalog import Catalog
from localai.cards.reading import check_card
from localai.errors import ModelNotFound
from tests.unit.cards.importers.checking import BACKENDS
from tests.unit.cards.samples import write_card


@pytest.mark.parametrize(
    "text",
    [
        "name: g\nbackend: llama-cpp\nparameters: {model: g.gguf}\nthreads: 4\n",
        "name: g\nbackend: llama-cpp\ntemplate: {chat: g-chat}\n",
        "name: g\nbackend: whisper\noptions: ['a:1']\nthreads: 4\n",
        "name: g\nbackend: piper\nparameters: {model: g.onnx}\n",
        "- name: g\n  parameters: {model: g.gguf}\n",
    ],
)
def test_it_is_told_in_one_line_with_the_command(tmp_path: Path, text: str) -> None:
    path = write_card(tmp_path / "a folder/g.yaml", text)
    (problem,) = check_card(path, BACKENDS).problems

    assert problem.mend == f"localai card import '{path}' --output '{path}' --force"
    assert str(problem) == (
        f"{path}: is LocalAI's model YAML, and no card. To mend it: `{problem.mend}`"
    )


def test_an_alias_belongs_into_the_card_of_its_model(tmp_path: Path) -> None:
    (problem,) = check_card(
        write_card(tmp_path / "g.yaml", "name: g\nalias: h\n"), BACKENDS
    ).problems

    assert "write it into the card of 'h', as `aliases: [...]`" in problem.message


@pytest.mark.parametrize("between", ["\n---\n", "\n"])
def test_several_models_go_into_the_folder(tmp_path: Path, between: str) -> None:
    mark = "- " if between == "\n" else ""
    models = (f"{mark}{{name: {name}, parameters: {{model: m.gguf}}}}" for name in "ab")
    path = write_card(tmp_path / "all.yaml", between.join(models))
    checked = check_card(path, BACKENDS)

    assert [one.mend for one in checked.problems] == [
        f"localai card import {path} --output {tmp_path}"
    ]
    assert checked.names == ("a", "b")


@pytest.mark.parametrize(
    "text",
    [
        "name: g\nbackend: llama_cpp\nmodel: g.gguf\ncontext_size: 2048\n",
        "name: g\nbackend: llama_cpp\nmodle: g.gguf\nthreads: 4\n",
        "name: g\nbackend: piper\nmodle: g.onnx\nthreads: 4\n",
        "name: g\nbackend: sentence_transformers\nembeddings: true\n",
        "name: g\nbackend: echo\nparameters: {model: m}\n",
        "name: g\nbackend: lama-cpp\noptions: {n_ctx: 2}\nthreads: 4\n",
        "name: g\nthreads: 4\n",
        "name: g\nmerge_method: slerp\nparameters: {t: [0, 1]}\n",
        "parameters: {model: g.gguf}\n",
        "name: g\nbackend: echo\nx: 1\n",
        "- a\n- b\n",
        "name: [",
        "parameters: {model: m.gguf}\nname: [\n",
        "",
    ],
)
def test_a_card_with_a_mistake_stays_one(tmp_path: Path, text: str) -> None:
    (problem, *_) = check_card(write_card(tmp_path / "g.yaml", text), BACKENDS).problems

    assert "LocalAI" not in str(problem)


def test_the_mistakes_of_a_card_are_told(tmp_path: Path) -> None:
    text = "name: g\nbackend: llama_cpp\nmodle: g.gguf\nthreads: 4\n"
    problems = check_card(write_card(tmp_path / "g.yaml", text), BACKENDS).problems

    assert [one.line for one in problems] == [3, 4]
    assert "Did you mean 'model'" in problems[0].message


def test_a_call_is_told_that_there_is_such_a_file(tmp_path: Path) -> None:
    path = write_card(tmp_path / "old.yaml", "name: g\nparameters: {model: g.gguf}\n")
    write_card(tmp_path / "none.yaml", "- {name: 7, parameters: {model: g.gguf}}\n")
    catalog = Catalog([tmp_path / "none", tmp_path], BACKENDS)
    catalog.refresh()

    for name, file in (("g", path), ("7", tmp_path / "none.yaml")):
        with pytest.raises(ModelNotFound, match="its card is broken") as caught:
            catalog.find(name)
        assert f"localai card import {file} --output {file} --force" in caught.value.message
