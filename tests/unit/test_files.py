"""Writing at once: whole or not at all, by several at a time, for all or for one alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localai.files import remove_empty_folders, replace_text


def test_several_writers_leave_one_whole_text_and_nothing_else(tmp_path: Path) -> None:
    target, texts = tmp_path / "a.txt", [letter * 100_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: replace_text(target, text), texts * 5))
    assert target.read_text("utf-8") in texts
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_the_rights_are_those_asked_for_less_the_umask(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "a.txt"
    target.write_text("older, for all", "utf-8")
    before = os.umask(0o022)
    try:
        replace_text(target, "newer", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == mode & ~0o022


def test_empty_folders_go_up_to_the_first_that_holds_anything(tmp_path: Path) -> None:
    deep = tmp_path / "root/kept/a/b"
    deep.mkdir(parents=True)
    (tmp_path / "root/kept/file").touch()
    remove_empty_folders(deep, tmp_path / "root")
    assert [path.name for path in (tmp_path / "root/kept").iterdir()] == ["file"]


def test_empty_folders_never_go_beyond_the_end(tmp_path: Path) -> None:
    (tmp_path / "root/a").mkdir(parents=True)
    remove_empty_folders(tmp_path / "root/a", tmp_path / "root")
    assert (tmp_path / "root").is_dir()
    remove_empty_folders(tmp_path, tmp_path / "root")
    assert (tmp_path / "root").is_dir()
