"""A deletion that does not come to its end loses no card, neither the old nor a newer one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from localai.api.admin.deletion import delete, put_back
from localai.api.app import create_app
from localai.api.gateway import Gateway
from localai.settings import Settings
from localai.store.errors import InUse

CARD = "name: mine\nbackend: echo\n"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine.yaml").write_text(CARD)
    return Settings(models=tmp_path / "models", store=tmp_path / "store")


@pytest.mark.parametrize("newer", [None, CARD + "description: Newer.\n"])
def test_a_card_is_back_unless_a_newer_one_was_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, newer: str | None
) -> None:
    gateway: Gateway = create_app(settings).state.gateway
    path = settings.models / "mine.yaml"

    def free(*_: object) -> int:
        if newer is not None:
            path.write_text(newer)
        raise InUse("It is in use.")

    monkeypatch.setattr(gateway.orders, "free", free)
    with pytest.raises(InUse):
        asyncio.run(delete(gateway, gateway.catalog.find("mine")))
    assert path.read_text() == (newer or CARD)
    assert [one.name for one in settings.models.iterdir()] == ["mine.yaml"]
    gateway.jobs.close()


def test_a_deletion_that_was_cut_off_is_undone_at_the_next_start(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    path = settings.models / "mine.yaml"
    path.rename(settings.models / ".mine.yaml.deleted")
    gateway: Gateway = create_app(settings).state.gateway
    assert gateway.catalog.find("mine").path == path
    assert [one.name for one in settings.models.iterdir()] == ["mine.yaml"]
    assert "mine.yaml was cut off" in caplog.text
    put_back(settings.models / "none")
    gateway.jobs.close()
