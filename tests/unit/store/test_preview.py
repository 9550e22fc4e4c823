"""What nothing here runs is refused before its weights come."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.importers.imported import CannotImport
from localai.gallery.pulled import refuse_not_run
from localai.store.store import Store
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub


def test_a_small_folder_is_refused_by_its_config_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serve_files() as server, serve_files() as cdn:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        Hub(server, cdn).put(
            "org/pickle",
            {"config.json": b'{"architectures": ["BertModel"]}', "pytorch_model.bin": b"\x80\x02."},
        )
        store = Store(tmp_path / "store")
        with pytest.raises(CannotImport, match=r"Nothing was fetched: .*modules\.json"):
            store.pull("org/pickle", trust=True, check=refuse_not_run)
        assert cdn.asked == []
    assert store.list() == []
