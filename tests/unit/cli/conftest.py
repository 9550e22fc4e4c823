from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import FakeGateway, serve_fake_gateway
from tests.unit.cli.run_here import run_here


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("LOCALAI_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def localai(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command in this process."""

    def run(*arguments: str) -> Ended:
        return run_here(capsys, *arguments)

    return run


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    """A gateway that the client commands find in the environment."""
    with serve_fake_gateway() as fake:
        monkeypatch.setenv("LOCALAI_URL", fake.url)
        yield fake


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of cards of a person who has a store beside it."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(folder))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    return folder
