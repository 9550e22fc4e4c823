from __future__ import annotations

import os
from pathlib import Path

import pytest

from localai.file_locks import is_locked, open_locked
from localai.protocol.launch import LaunchSpec
from localai.protocol.manifest import Manifest, OptionSpec
from localai.worker import held_files
from localai.worker.held_files import files_in_use, hold

MANIFEST = Manifest(
    name="m", description="", capabilities=[], entry="a:B",
    options={
        "mmproj": OptionSpec(type="string", description="", is_path=True),
        "prompt": OptionSpec(type="string", description=""),
    },
)  # fmt: skip


def spec_of(folder: Path, model: Path | None, **options: object) -> LaunchSpec:
    return LaunchSpec(name="m", backend=folder, socket=folder / "s", model=model, options=options)


def test_the_model_and_the_options_that_name_files_are_held(tmp_path: Path) -> None:
    model, projector, other = (tmp_path / name for name in ("m.gguf", "mm.gguf", "other"))
    for path in (model, projector, other):
        path.write_bytes(b"x")
    found = files_in_use(
        spec_of(tmp_path, model, mmproj=str(projector), prompt=str(other)), MANIFEST
    )
    assert sorted(found) == [model, projector]
    held = hold(found)
    assert is_locked(model)
    assert is_locked(projector)
    assert not is_locked(other)
    also_held = hold(found)
    assert len(also_held) == 2, "a second worker may run the same model"
    for descriptor in (*held, *also_held):
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)


def test_of_a_folder_all_is_held_but_what_is_still_fetched(tmp_path: Path) -> None:
    names = ["config.json", "unet/m.safetensors", "x.gguf.part", "x.gguf.part.json", ".hidden"]
    for name in names:
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "m/fifo")
    (tmp_path / "m/dangling").symlink_to("nothing")
    found = files_in_use(spec_of(tmp_path, tmp_path / "m"), MANIFEST)
    assert {path.name for path in found} == {"config.json", "m.safetensors"}


def test_of_a_folder_with_too_many_files_the_largest_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_files, "_MOST", 2)
    for size in range(5):
        (tmp_path / f"{size}").write_bytes(bytes(size))
    found = files_in_use(spec_of(tmp_path, tmp_path), MANIFEST)
    assert [path.name for path in found] == ["4", "3"]


def test_a_model_that_is_not_there_or_about_to_go_does_not_hang_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(held_files, "_PATIENCE", 0.05)
    path = tmp_path / "m.gguf"
    assert files_in_use(spec_of(tmp_path, path), MANIFEST) == []
    assert hold([path]) == []
    path.write_bytes(b"x")
    removing = open_locked(path)
    assert removing is not None
    assert hold([path]) == []
    assert "locked by another process" in caplog.text
    os.close(removing)
    assert len(hold([path])) == 1
