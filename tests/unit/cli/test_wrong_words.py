"""Words that are no command, name or address here, and what could have been meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf

Run = Callable[..., Ended]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["instal", "x"], "Did you mean 'install'"),
        (["pul"], "Did you mean 'pull'"),
        (["PULL", "x"], "Did you mean 'pull'"),
        (["ls"], "It is `localai list` here."),
        (["serve"], "It is `localai run` here."),
        (["create", "x", "-f", "Modelfile"], "It is `localai card import` here."),
        (["gallery", "udpate"], "Did you mean 'update'"),
        (["card", "ls"], "No such command 'ls'.\n"),
    ],
)
def test_a_word_that_is_no_command_gets_a_hint(localai: Run, words: list[str], hint: str) -> None:
    ended = localai(*words)

    assert ended.code == 2
    assert "No such command" in ended.err
    assert hint in ended.err


def test_commands_are_known_after_the_one_called_as_a_builtin(models: Path, localai: Run) -> None:
    assert localai("list").code == 0
    assert localai("nonsense").code == 2
    assert "doctor" in localai("--help").out


def test_a_model_s_name_in_other_letters_is_near(
    models: Path, tmp_path: Path, localai: Run
) -> None:
    (tmp_path / "m.gguf").write_bytes(minimal_gguf())
    localai("pull", str(tmp_path / "m.gguf"), "--name", "tiny-q4_k_m")

    assert "Did you mean 'tiny-q4_k_m'" in localai("show", "TINY-Q4_K_M").err


def test_a_copy_s_name_is_refused_as_the_argument_that_it_is(models: Path, localai: Run) -> None:
    refused = localai("cp", "m", "a b")

    assert refused.code == 2
    assert "Invalid value for NAME: 'a b'" in refused.err
    assert "--name" not in refused.err


@pytest.mark.parametrize("by_variable", [True, False])
def test_an_address_needs_its_scheme(
    localai: Run, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    if by_variable:
        monkeypatch.setenv("LOCALAI_URL", "localhost:9")
    ended = localai("ps", *([] if by_variable else ["--url", "localhost:9"]))

    assert ended.code == 2
    assert "write http://localhost:9" in ended.err
