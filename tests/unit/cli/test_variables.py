from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.cli.variables import variable_warnings
from localai.settings import Settings, load_settings
from tests.unit.cli.ended import Ended


def warned(variables: dict[str, str], **settings: Any) -> list[tuple[str, str]]:
    return list(variable_warnings(load_settings(**settings), variables))


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("LOCALAI_THREADS", "`options: {n_threads: …}` in a card says it"),
        ("LOCALAI_CONTEXT_SIZE", "`limits: {context: …}` in a card says it"),
        ("LOCALAI_ADDRESS", "LOCALAI_HOST and LOCALAI_PORT say where it listens"),
        ("LOCALAI_MODELS_PATH", "LOCALAI_MODELS is the folder with your cards"),
        ("LOCALAI_PROT", "Did you mean 'LOCALAI_PORT'"),
        ("LOCALAI_LOGLEVEL", "Did you mean 'LOCALAI_LOG_LEVEL'"),
        ("LOCALAI_XYZZY_QUUX_FROB", "unset LOCALAI_XYZZY_QUUX_FROB"),
    ],
)
def test_a_variable_that_nobody_reads_is_named_with_what_is_near(name: str, mend: str) -> None:
    ((text, told),) = warned({name: "4", "PATH": "/bin", "THREADS": "1"})

    assert text == f"{name} is set, and there is no such setting"
    assert told.startswith(mend)


def test_settings_and_what_the_commands_read_are_known() -> None:
    names = [f"LOCALAI_{name.upper()}" for name in Settings.model_fields]

    assert warned(dict.fromkeys([*names, "LOCALAI_URL", "LOCALAI_DEBUG"], "1")) == []
    assert warned({"LOCALAI_API_KEY": ""}) == []


@pytest.mark.parametrize(
    ("settings", "who"),
    [
        ({}, "every program of this machine may call"),
        ({"host": "0.0.0.0"}, "whoever reaches 0.0.0.0 may call"),
        ({"socket": Path("/run/x.sock")}, "whoever may open /run/x.sock may call"),
    ],
)
def test_a_key_that_protects_nothing_is_told(settings: dict[str, Any], who: str) -> None:
    ((text, mend),) = warned({"LOCALAI_API_KEY": "secret"}, **settings)

    assert text == f"LOCALAI_API_KEY is set, and this version checks no keys: {who}"
    assert "--host 127.0.0.1" in mend
    assert "secret" not in text + mend


def test_the_start_says_it_a_line_each(
    localai: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_API_KEY", "secret")
    monkeypatch.setenv("LOCALAI_THREADS", "4")
    # It ends at once, for its folder is not there.
    first, second, last = localai("run", "--models", str(tmp_path / "none")).err.splitlines()

    assert first.startswith("Warning: LOCALAI_API_KEY is set, and this version checks no keys: ")
    assert second == (
        "Warning: LOCALAI_THREADS is set, and there is no such setting: "
        "`options: {n_threads: …}` in a card says it."
    )
    assert "does not exist" in last
