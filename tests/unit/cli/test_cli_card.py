from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.ended import Ended

BACKEND = """\
name: files
description: Needs a file
capabilities: [chat]
entry: worker:Files
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(autouse=True)
def _backend_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "backends/files/backend.yaml", BACKEND)
    monkeypatch.setenv("LOCALAI_BACKENDS", str(tmp_path / "backends"))


def test_good_cards_are_ok(tmp_path: Path, localai: Callable[..., Ended]) -> None:
    a = write(tmp_path / "cards/a.yaml", "name: a\nbackend: echo\n")
    b = write(tmp_path / "cards/sub/b.yml", "name: b\nbackend: echo\n")

    assert localai("card", "check", str(tmp_path / "cards")) == (
        0, f"{a}: ok (a)\n{b}: ok (b)\n", "",
    )  # fmt: skip


def test_every_mistake_is_a_line_with_its_place(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    good = write(tmp_path / "a.yaml", "name: a\nbackend: echo\n")
    bad = write(tmp_path / "b.yaml", "name: b\nbackend: echo\nx: 1\ny: 2\n")
    ended = localai("card", "check", str(good), str(bad))

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"{good}: ok (a)",
        f"{bad}:3: unknown key 'x'.",
        f"{bad}:4: unknown key 'y'.",
    ]


def test_a_model_file_that_is_not_there_is_a_mistake(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    card = write(tmp_path / "a.yaml", "name: a\nbackend: files\nmodel: none.gguf\n")
    ended = localai("card", "check", str(card))

    assert ended.code == 1
    assert ended.out.startswith(f"{card}:3: ")
    assert str(tmp_path / "none.gguf") in ended.out


def test_an_alias_that_two_claim_is_a_warning(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    for name in ("a", "b"):
        write(tmp_path / "c" / f"{name}.yaml", f"name: {name}\nbackend: echo\naliases: [x]\n")
    ended = localai("card", "check", str(tmp_path / "c"))

    assert ended.code == 0
    assert f"{tmp_path / 'c/b.yaml'}: warning: the alias 'x' already leads to 'a'" in ended.out


def test_nothing_to_check_is_wrong_use(tmp_path: Path, localai: Callable[..., Ended]) -> None:
    assert localai("card", "check", str(tmp_path / "none")).code == 2
    (tmp_path / "empty").mkdir()
    assert "there is no card" in localai("card", "check", str(tmp_path / "empty")).err


def test_the_shipped_cards_parse(localai: Callable[..., Ended]) -> None:
    folder = Path(__file__).parents[3] / "model-gallery/starter/cards"
    ended = localai("card", "check", str(folder / "echo.yaml"))

    assert ended == (0, f"{folder / 'echo.yaml'}: ok (echo)\n", "")


def test_the_schema_knows_all_backends(localai: Callable[..., Ended]) -> None:
    schema = json.loads(localai("card", "schema").out)

    assert {"echo", "files"} <= set(schema["properties"]["backend"]["enum"])


def test_version_says_what_is_here(localai: Callable[..., Ended]) -> None:
    lines = dict(line.split(" ", 1) for line in localai("version").out.splitlines())

    assert set(lines) == {"localai", "python", "platform", "backends"}
    assert {"echo", "files"} <= set(lines["backends"].split(", "))


def test_more_backends_can_be_named_when_cards_are_checked(
    tmp_path: Path, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = tmp_path / "others" / "another"
    backend.mkdir(parents=True)
    (backend / "backend.yaml").write_text(
        "name: another\ndescription: x\ncapabilities: [chat]\nentry: worker:Another\n"
        "needs_model: false\n"
    )
    card = tmp_path / "card.yaml"
    card.write_text("name: x\nbackend: another\n")
    config = tmp_path / "localai.yaml"
    config.write_text("backends: [others]\n")

    monkeypatch.delenv("LOCALAI_BACKENDS", raising=False)
    assert localai("card", "check", str(card)).code == 1
    assert localai("card", "check", str(card), "--backends", str(backend.parent)).code == 0
    assert localai("card", "check", str(card), "--config", str(config)).code == 0
    assert "another" in localai("card", "schema", "--config", str(config)).out


def test_a_model_that_is_fetched_later_is_no_mistake(
    tmp_path: Path, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    card = write(tmp_path / "a.yaml", "name: a\nbackend: files\nmodel: hf://org/a\n")

    assert localai("card", "check", str(card)) == (
        0, f"{card}: ok (a); not fetched yet: hf://org/a\n", "",
    )  # fmt: skip


def test_a_file_that_an_option_names_is_looked_for(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    options = "options:\n  mmproj: none.gguf\n"
    card = write(tmp_path / "a.yaml", f"name: a\nbackend: llama_cpp\nmodel: m.gguf\n{options}")
    write(tmp_path / "m.gguf", "x")
    ended = localai("card", "check", str(card))

    assert ended.code == 1
    assert ended.out.startswith(f"{card}:4: ")
    assert str(tmp_path / "none.gguf") in ended.out


def test_what_is_not_fetched_yet_hides_no_mistake(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    text = "name: a\nbackend: llama_cpp\nmodel: hf://org/repo/m.gguf\n"
    card = write(tmp_path / "a.yaml", text)
    ended = localai("card", "check", str(card), "--store", str(tmp_path / "store"))
    assert (ended.code, "not fetched yet: hf://org/repo/m.gguf" in ended.out) == (0, True)

    write(card, f"{text}options:\n  mmproj: none.gguf\n")
    ended = localai("card", "check", str(card), "--store", str(tmp_path / "store"))
    assert ended.code == 1
    assert str(tmp_path / "none.gguf") in ended.out
