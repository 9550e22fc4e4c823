from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from localai.api.spool import Spool
from localai.errors import CapacityError
from tests.unit.api.full_disk import fill_disk


def test_full_disk_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    with spool.call_files() as files:
        fill_disk(monkeypatch, after=4)
        with pytest.raises(CapacityError, match=r"No space left.*LOCALAI_SPOOL_DIR") as refused:
            files.write(b"picture")
        assert (refused.value.status, refused.value.code) == (503, "upload_not_stored")
        assert [
            path for path in tmp_path.rglob("*") if path.name.isdigit() and path.is_file()
        ] == []
    spool.close()


def test_folder_that_was_removed_from_outside_is_made_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for content in (b"one", b"two"):
        with spool.call_files() as files:
            assert files.write(content).read_bytes() == content
        for folder in tmp_path.iterdir():
            shutil.rmtree(folder)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_spool_that_cannot_be_made_again_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    spool = Spool(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(CapacityError, match="LOCALAI_SPOOL_DIR"), spool.call_files():
        pass
