from __future__ import annotations

import click
import pytest

from localai.cli.failures import run_to_exit_code
from localai.errors import ConfigError, ModelNotFound


def command_that_raises(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("the port is wrong"), 2, "Error: the port is wrong\n"),
        (ModelNotFound("no such model"), 1, "Error: no such model\n"),
        (click.ClickException("not so"), 1, "Error: not so\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "Error: /x: Permission denied\n"),
        (
            OSError(28, "No space left on device"),
            1,
            "Error: No space left on device: make room on that disk (`localai rm` and `localai "
            "prune` remove models), or choose another place.\n",
        ),
        (KeyError("k"), 1, "Error: KeyError: 'k' (set LOCALAI_DEBUG=1 to see where)\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_each_error_is_one_sentence_and_a_code(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_to_exit_code(command_that_raises(error), []) == code
    assert capsys.readouterr().err.lstrip("\n") == text.lstrip("\n")


def test_wrong_use_is_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_to_exit_code(command_that_raises(KeyError()), ["--nonsense"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_debugging_lets_the_traceback_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAI_DEBUG", "1")

    with pytest.raises(KeyError):
        run_to_exit_code(command_that_raises(KeyError("k")), [])
